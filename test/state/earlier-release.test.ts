import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { builtDigest } from '../../functions/state/built-images.ts';
import { readFirstSeen, ripeAt } from '../../functions/state/first-seen.ts';
import { readInventory } from '../../functions/state/inventory.ts';
import { readRefusedFields, refusedOn } from '../../functions/state/refused-fields.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import { type Factory, startFactory, statuses } from '../tasks/factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

/**
 * A state as release 0.1.0 wrote it. Run `first` switched `cacheS3Tag` to 1.10.12 and was refused `securityTag`, run
 * `second` switched to 1.10.13, run `third` copied 1.10.14, which soaked. Run `killed` still has the lock.
 */
const fixture = join(import.meta.dirname, 'fixtures/0.1.0');
const written = new Date('2026-11-29T01:08:17Z');
const lockExpires = '2026-11-29T01:38';
const expired = '2020-01-01T00:00';
const versions = ['1.10.12', '1.10.13', '1.10.14'];
const copies = [
  ...versions.map((version) => ['plugins/cache', version] as const),
  ['harness/sto-plugin', 'latest'] as const,
];
const choice = { include_fields: ['cacheS3Tag'] };
const field = { module: 'ci', infrastructureType: 'K8' } as const;
const cache = (version: string) => `plugins/cache:${version}`;
const officialDigest = (version: string) => factory.official(cache(version)) as Digest;

let factory: Factory;
let folder: string;

beforeEach(async () => {
  folder = temporaryFolder('earlier-release');
  factory = await startFactory({ folder, samples: { slim: false } });
  await cp(fixture, folder, { recursive: true });
  // The samples are the same at every start, and as release 0.1.0 made them.
  for (const [repository, tag] of copies) {
    const [image] = factory.publish([`${repository}:${tag}`]);
    if (image) factory.target.storage.putImage(`mirror/${repository}`, tag, image);
  }
  factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache('1.10.14'));
  Object.assign(factory.harness.state[factory.harness.accountId]?.ci ?? {}, {
    K8: { cacheS3Tag: factory.copyOf(cache('1.10.13')) },
  });
  await rewrite('target.example', factory.target.host);
  await rewrite('source.example', factory.source.host);
  await rewrite(lockExpires, expired);
});
afterEach(() => factory.close());

/** Replaces a text in every document of the state. */
async function rewrite(from: string, to: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll(from, to));
  }
}

describe('the state of release 0.1.0', () => {
  it('restores the configuration as it was before a run', async () => {
    const report = await factory.run('restore', { restore_run: 'second' });
    expect(report.error).toBeUndefined();
    expect(factory.overrides()['cacheS3Tag']).toBe(factory.copyOf(cache('1.10.12')));
  });

  it('prunes copies of release 0.1.0 that nothing uses, and keeps those that its last run found', async () => {
    expect(Object.keys(await readInventory(factory.store))).toHaveLength(4);
    const unused = factory.copyOf('harness/sto-plugin:latest');
    // No field leads to the copy through the connector any more.
    for (const infra of ['K8', 'VM'] as const)
      factory.harness.setDefault('ci', infra, 'securityTag', 'harness/sto-plugin:2');
    // Nor did a run of the last 90 days list it.
    await rewrite('"startedAt": "2026', '"startedAt": "2025');
    const report = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(report.unused).toMatchObject([{ reference: unused, status: 'deleted' }]);
    expect(factory.target.storage.resolve('mirror/harness/sto-plugin', 'latest')).toBeUndefined();
    expect(factory.target.storage.tags('mirror/plugins/cache')).toEqual(versions);
    const { copies } = await factory.document<{ copies: object }>('inventory.json');
    expect(Object.keys(copies).toSorted()).toEqual(versions.map((version) => factory.copyOf(cache(version))));
  });

  it('counts the days of soaking from the plan that saw an image first', async () => {
    const version = { image: cache('1.10.14'), digest: officialDigest('1.10.14'), since: '' };
    const seen = await readFirstSeen(factory.store);
    expect(ripeAt(seen, version, 7).toISOString()).toBe('2026-12-06T00:00:00.000Z');
  });

  it('switches to a version that release 0.1.0 saw, while the current one soaks', async () => {
    factory.publish([cache('1.10.15')]);
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache('1.10.15'));
    const seen = await readFirstSeen(factory.store);
    const days = Math.floor((Date.now() - written.getTime()) / 86_400_000);
    const earlier = Object.entries(seen.images).map(([image, at]) => [
      image,
      new Date(Date.parse(at) - Math.max(0, 8 - days) * 86_400_000).toISOString(),
    ]);
    await factory.store.put('first-seen.json', Buffer.from(JSON.stringify(Object.fromEntries(earlier))));
    const report = await factory.sync({ ...choice, soak_days: 7 });
    expect(report.error).toBeUndefined();
    expect(factory.overrides()['cacheS3Tag']).toBe(factory.copyOf(cache('1.10.14')));
    expect(report.soaking).toMatchObject([{ image: cache('1.10.15'), fields: ['ci K8 cacheS3Tag'] }]);
  });

  it('remembers refused fields', async () => {
    const refused = await readRefusedFields(factory.store);
    expect(refusedOn(refused, { ...field, field: 'securityTag' }, written)).toBe('2026-11-29');
  });

  it('remembers builds', async () => {
    const template = 'arn:aws:lambda:eu-west-1:123456789012:function:add-ca';
    const source = officialDigest('1.10.12');
    const target = `target.example/mirror/${cache('1.10.12')}`;
    expect(await builtDigest(factory.store, target, { template, source })).toBe(`sha256:${'b'.repeat(64)}`);
  });

  it('holds the lock of a run until it expires', async () => {
    const later = new Date(Date.now() + 3_600_000).toISOString().slice(0, 16);
    await rewrite(expired, later);
    expect(await factory.sync(choice)).toMatchObject({
      status: 'SKIPPED',
      reason: expect.stringContaining('run killed (sync)'),
    });
    await rewrite(later, expired);
    expect(statuses(await factory.sync(choice))).toEqual({ 'ci K8 cacheS3Tag': 'updated' });
  });

  it('reads every document of its runs', async () => {
    const found: string[] = [];
    for (const runId of ['first', 'second', 'third', 'killed'])
      for (const document of Object.values(new RunDocuments(factory.store, runId)))
        if (typeof document === 'object' && 'find' in document && (await document.find()) !== undefined)
          found.push(document.location.slice(folder.length));
    expect(found).toHaveLength(6 + 6 + 4 + 1);
    const [image] = (await new RunDocuments(factory.store, 'first').report.get()).images;
    expect(image?.status).toBe('copied');
    expect((await new RunDocuments(factory.store, 'first').copyResult(1).get()).status).toBe('copied');
  });

  it('continues plans of release 0.1.0', async () => {
    await factory.task(async (_, { runtime }) => {
      const { images, changes } = await runtime.run('second').plan.get();
      expect(images).toMatchObject([{ image: cache('1.10.13'), digest: officialDigest('1.10.13') }]);
      expect(changes).toMatchObject([{ field: 'cacheS3Tag', to: factory.copyOf(cache('1.10.13')) }]);
    }, undefined);
  });
});
