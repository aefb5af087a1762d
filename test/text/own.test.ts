import { describe, expect, it } from '@jest/globals';
import { parseChallenges } from '../../functions/oci/registry/auth/challenge.ts';
import { dockerConfigCredentials } from '../../functions/oci/registry/auth/docker-config.ts';
import { parseManifest } from '../../functions/oci/spec/manifest.ts';
import { platformMatches } from '../../functions/oci/spec/platform.ts';
import { parseImages } from '../../functions/harness/envelope.ts';
import { selectFields } from '../../functions/plan/selection.ts';
import { noteRefusedFields, readRefusedFields, refusedOn } from '../../functions/state/refused-fields.ts';
import { countsOf } from '../../functions/scan/verdict.ts';
import { own } from '../../functions/text/own.ts';
import { MemoryStore } from '../state/memory-store.ts';

/** Names that every object inherits, and the one that changes what it inherits. */
const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];

/** A record as JSON makes it: `__proto__` is a key like any other. */
const record = <T>(key: string, value: T) =>
  JSON.parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}}`) as Record<string, T>;

describe.each(names)('%s', (name) => {
  const scope = { module: 'ci', infrastructureType: 'K8' } as const;
  const settings = { includeWindowsRootless: false, includeSets: [], includeFields: [], excludeFields: [], pins: {} };

  it('belongs to the record that has it, and to no other', () => {
    expect(own({}, name)).toBeUndefined();
    expect(own(record(name, 'x'), name)).toBe('x');
  });

  it('works as a field of Harness', () => {
    const defaults = parseImages(record(name, 'harness/ci-addon:1')) ?? {};
    const without = selectFields([{ ...scope, defaults, overrides: {} }], settings);
    expect(without.fields).toMatchObject([{ field: name, override: undefined }]);
    const overrides = record(name, 'r.example/harness/ci-addon:1');
    const overridden = selectFields([{ ...scope, defaults, overrides }], settings);
    expect(overridden.fields).toMatchObject([{ field: name, override: 'r.example/harness/ci-addon:1' }]);
  });

  it('works as a field that Harness refuses', async () => {
    const store = new MemoryStore();
    const field = { ...scope, field: name };
    const now = new Date('2026-01-01');
    expect(refusedOn(await readRefusedFields(store), field, now)).toBeUndefined();
    await noteRefusedFields(store, [field], now);
    expect(refusedOn(await readRefusedFields(store), field, now)).toBe('2026-01-01');
  });

  it('works as a severity of a scanner', () => {
    expect(
      Object.entries(
        countsOf([
          { id: 'a', severity: name },
          { id: 'b', severity: name },
        ]),
      ),
    ).toEqual([[name, 2]]);
  });

  it('works as a parameter of a challenge, and adds none that is absent', () => {
    const [challenge] = parseChallenges(`Bearer ${name}="x"`);
    expect(Object.entries(challenge?.parameters ?? {})).toEqual([[name.toLowerCase(), 'x']]);
    expect(challenge?.parameters['constructor']).toBe(name === 'constructor' ? 'x' : undefined);
  });

  it('works as a host of a config.json', async () => {
    const auth = Buffer.from('ada:horse').toString('base64');
    const credentials = dockerConfigCredentials(JSON.stringify({ auths: record(name.toLowerCase(), { auth }) }), 'x');
    expect(await credentials.logins('r.example', 'a')).toEqual([]);
    const [login] = await credentials.logins(name.toLowerCase(), 'a');
    expect(await login?.credentials()).toEqual({ username: 'ada', password: 'horse' });
    const helpers = dockerConfigCredentials(JSON.stringify({ credHelpers: {} }), 'x');
    expect(await helpers.logins(name, 'a')).toEqual([]);
  });

  it('works as an annotation, and as an architecture without a variant', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const manifests = [{ mediaType: 'x', digest, size: 1, annotations: record(name, 'x') }];
    const [child] = parseManifest(new TextEncoder().encode(JSON.stringify({ manifests })), undefined).manifests;
    expect(Object.entries(child?.annotations ?? {})).toEqual([[name, 'x']]);
    const platform = { os: 'linux', architecture: name };
    expect(platformMatches({ ...platform, variant: 'v8' }, platform)).toBe(false);
  });
});
