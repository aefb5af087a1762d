import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import {
  harnessObject,
  inOrderOfDeletion,
  objectKinds,
  type ObjectKind,
} from '../../../functions/harness/objects/object.ts';
import { SecretValue } from '../../../functions/harness/objects/secret-value.ts';
import { printYaml } from '../../../functions/harness/objects/yaml.ts';
import { account, all, createBefore, harness, objects, sample, secretText, writes, useHarness } from './harness.ts';
import { project, samples } from './samples.ts';

useHarness();

const comparable = objectKinds.filter((kind) => kind !== 'secret');

const renamed = (yaml: string) => yaml.replace(/ {2}name: .*\n/, '  name: Another name\n');
/** Changes what an update of any kind writes. */
const changed = (kind: ObjectKind) => (yaml: string) =>
  kind === 'connector' ? yaml.replace('registry.example.com', 'other.example.com') : renamed(yaml);

describe('upserts', () => {
  it.each(comparable)('creates a missing %s, finds it unchanged, and replaces it when it differs', async (kind) => {
    await createBefore(kind);
    harness.requests.length = 0;
    expect(await objects.upsert(sample(kind))).toBe('created');
    expect(await objects.upsert(sample(kind))).toBe('unchanged');
    expect(writes()).toHaveLength(1);
    expect(await objects.upsert(sample(kind, changed(kind)))).toBe('updated');
    expect(await objects.upsert(sample(kind, changed(kind)))).toBe('unchanged');
    expect(writes()).toHaveLength(2);
    expect(writes()[1]).toMatch(/^PUT /);
    expect(await objects.compare(sample(kind))).toMatchObject({ kind: 'update' });
  });

  it('uses the endpoints of the services, in order of creation', async () => {
    for (const object of all()) await objects.upsert(object);
    expect(writes()).toEqual([
      'POST ng/api/v2/secrets',
      'POST ng/api/connectors',
      'POST template/api/templates',
      'POST pipeline/api/pipelines/v2',
      'POST pipeline/api/inputSets',
      'POST pipeline/api/triggers',
    ]);
    const scope = { accountIdentifier: harness.accountId, ...project };
    expect(harness.requests.filter(({ method }) => method === 'POST').map(({ query }) => query)).toEqual([
      { accountIdentifier: harness.accountId },
      { accountIdentifier: harness.accountId },
      scope,
      scope,
      { ...scope, pipelineIdentifier: 'image_factory' },
      { ...scope, targetIdentifier: 'image_factory' },
    ]);
  });

  it('stores the text as it was given', async () => {
    for (const object of all()) await objects.upsert(object);
    expect(account().texts.map(({ kind, yaml }) => [kind, yaml])).toEqual(
      (['template', 'pipeline', 'inputSet', 'trigger'] as const).map((kind) => [kind, samples[kind]]),
    );
  });

  it.each(comparable)('takes a %s for unchanged whose text differs but means the same', async (kind) => {
    await createBefore(kind);
    await objects.upsert(sample(kind));
    const rewritten = (yaml: string) => `# rewritten\n${stringify(parse(yaml), { sortMapEntries: true })}`;
    expect(await objects.upsert(sample(kind, rewritten))).toBe('unchanged');
  });

  it('finds any pipeline unchanged that it has just written', async () => {
    await createBefore('pipeline');
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    const values = fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), text, { maxKeys: 4 });
    await fc.assert(
      fc.asyncProperty(values, text, async (tags, description) => {
        const document = parse(samples.pipeline) as { pipeline: Record<string, unknown> };
        Object.assign(document.pipeline, { tags, description });
        const pipeline = harnessObject(printYaml(document));
        await objects.upsert(pipeline);
        expect(await objects.upsert(pipeline)).toBe('unchanged');
      }),
      { numRuns: 25 },
    );
  });

  it.each(['template', 'inputSet', 'trigger'] as const)(
    'overwrites no %s that changed after it was read',
    async (kind) => {
      for (const object of all()) await objects.upsert(object);
      const stored = account().texts.find((text) => text.kind === kind);
      if (!stored) throw new Error('nothing is stored');
      // Another writer comes between the read and the write.
      let reads = 0;
      Object.defineProperty(stored, 'version', { get: () => reads++ });
      await expect(objects.upsert(sample(kind, renamed))).rejects.toMatchObject({
        name: 'HarnessRejected',
        message: expect.stringContaining('OPTIMISTIC_LOCKING_EXCEPTION'),
        hint: 'Somebody changed it at the same time: look at their change, and run again.',
      });
      expect(stored.yaml).toBe(samples[kind]);
    },
  );

  it('replaces a pipeline whose stored YAML Harness finds invalid, though the text is the same', async () => {
    await createBefore('inputSet');
    const stored = account().texts.find(({ kind }) => kind === 'pipeline');
    if (!stored) throw new Error('the pipeline is gone');
    stored.invalid = true;
    expect(await objects.read(sample('pipeline').ref)).toMatchObject({ valid: false });
    expect(await objects.upsert(sample('pipeline'))).toBe('updated');
    expect(await objects.read(sample('pipeline').ref)).toMatchObject({ valid: true });
  });

  it('replaces a pipeline whose stored text is not YAML', async () => {
    await createBefore('inputSet');
    const stored = account().texts.find(({ kind }) => kind === 'pipeline');
    if (!stored) throw new Error('the pipeline is gone');
    stored.yaml = 'pipeline: [';
    expect(await objects.read(sample('pipeline').ref)).toMatchObject({ document: undefined });
    expect(await objects.upsert(sample('pipeline'))).toBe('updated');
  });
});

describe('connectors and secrets', () => {
  it('keeps name, description, tags and further settings of a connector that exists', async () => {
    await createBefore('template');
    const stored = account().connectors.find(({ identifier }) => identifier === 'mirror');
    Object.assign(stored ?? {}, { name: 'Ours', description: 'do not touch', tags: { owner: 'platform' } });
    Object.assign(stored?.spec ?? {}, { delegateSelectors: ['us'], ignoreTestConnection: true });
    const address = (yaml: string) =>
      yaml.replace('registry.example.com', 'other.example.com').replace(/ *delegateSelectors.*\n/, '');
    expect(await objects.upsert(sample('connector', address))).toBe('updated');
    expect(account().connectors.find(({ identifier }) => identifier === 'mirror')).toMatchObject({
      name: 'Ours',
      description: 'do not touch',
      tags: { owner: 'platform' },
      spec: {
        dockerRegistryUrl: 'https://other.example.com/harness',
        delegateSelectors: ['us'],
        ignoreTestConnection: true,
      },
    });
    expect(await objects.upsert(sample('connector', address))).toBe('unchanged');
  });

  it('writes a secret with a value each time, and one without never', async () => {
    expect(await objects.upsert(sample('secret'))).toBe('created');
    expect(await objects.upsert(sample('secret'))).toBe('updated');
    expect(account().secrets[0]?.spec.value).toBe(secretText);
    harness.requests.length = 0;
    expect(await objects.upsert(harnessObject(samples.secret))).toBe('unchanged');
    expect(writes()).toEqual([]);
  });

  it('does not create a secret without a value', async () => {
    await expect(objects.upsert(harnessObject(samples.secret))).rejects.toMatchObject({
      name: 'InvalidConfiguration',
      message: 'the secret ecr_pull_password of the account does not exist, and no value was given for it',
    });
    expect(writes()).toEqual([]);
  });

  it('shows the value of a secret in no text of the object', () => {
    const secret = sample('secret');
    expect(inspect(secret, { depth: null, showHidden: true }) + JSON.stringify(secret)).not.toContain(secretText);
    expect(() => new SecretValue('')).toThrow('must not be empty');
  });
});

describe('deleting', () => {
  it('forgets everything in reverse order, and finds nothing the second time', async () => {
    const connectors = structuredClone(account().connectors);
    for (const object of all()) await objects.upsert(object);
    harness.requests.length = 0;
    const refs = inOrderOfDeletion(all().map(({ ref }) => ref));
    for (const ref of refs) expect(await objects.remove(ref)).toBe(true);
    expect(writes()).toEqual([
      'DELETE pipeline/api/triggers/nightly_image_factory',
      'DELETE pipeline/api/inputSets/image_factory_defaults',
      'DELETE pipeline/api/pipelines/image_factory',
      'DELETE template/api/templates/build_push/v1',
      'DELETE ng/api/connectors/mirror',
      'DELETE ng/api/v2/secrets/ecr_pull_password',
    ]);
    expect(account()).toMatchObject({ texts: [], secrets: [], connectors });
    for (const ref of refs) expect(await objects.remove(ref)).toBe(false);
  });

  it.each(['template', 'secret'] as const)('does not delete a %s that something names', async (kind) => {
    for (const object of all()) await objects.upsert(object);
    await expect(objects.remove(sample(kind).ref)).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: expect.stringContaining('ENTITY_REFERENCE_EXCEPTION'),
      hint: expect.stringContaining('Take it out of everything that names it'),
    });
  });
});
