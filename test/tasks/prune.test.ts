import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Images } from '../../infra/local/embedded/harness-api/state.ts';
import { prune } from '../../functions/prune/prune.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import type { Plan, Report } from '../../functions/state/documents.ts';
import { indexOf } from '../oci/stored-images.ts';
import { type Factory, ownWarnings, startFactory, statuses } from './factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

const cache = (version: string) => `plugins/cache:${version}`;
/** One image and one field, to keep runs short. */
const choice = { include_fields: ['cacheS3Tag'] };
let factory: Factory;
beforeEach(async () => {
  factory = await startFactory({ samples: {} });
});
afterEach(() => factory.close());

/** Harness publishes a version, and the factory syncs it. */
async function release(version: string, input: object = {}) {
  factory.publish([cache(version)]);
  factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache(version));
  return factory.sync({ ...choice, ...input });
}

function account(): { K8: Images; VM: Images } {
  const state = factory.harness.state[factory.harness.accountId];
  if (!state) throw new TypeError();
  return state.ci;
}

function useInVm(value: string): void {
  account().VM = { cacheS3Tag: value };
}

/** Leaves what a run of another account, which shares the state, has planned and not ended yet. */
async function runAtWork(version: string): Promise<void> {
  const [newest] = (await factory.store.list('runs/')).filter((key) => key.endsWith('/plan.json')).slice(-1);
  const plan = await factory.document<Plan>(newest ?? '');
  const digest = digestAt(version);
  const images = [{ image: cache(version), target: factory.copyOf(cache(version)), digest, status: 'current' }];
  await factory.store.put('runs/other/plan.json', Buffer.from(JSON.stringify({ ...plan, runId: 'other', images })));
}

/** Makes a run one of 91 days ago: it no longer counts among the last ones. */
async function longAgo({ runId }: Report): Promise<void> {
  const key = `runs/${runId}/plan.json`;
  const plan = await factory.document<Plan>(key);
  const startedAt = new Date(Date.now() - 91 * 86_400_000).toISOString();
  await factory.store.put(key, Buffer.from(JSON.stringify({ ...plan, startedAt })));
}

const repository = 'mirror/plugins/cache';
const digestAt = (tag: string) => factory.target.storage.resolve(repository, tag) as string;

/** Rows of a prune: version → status. */
function outcomes(report: Report): Record<string, string | undefined> {
  const versionOf = (reference: string) => reference.slice(reference.lastIndexOf(':') + 1);
  return Object.fromEntries((report.unused ?? []).map(({ reference, status }) => [versionOf(reference), status]));
}

/** Releases the versions, and prunes with the last one. */
async function releases(versions: readonly string[], prepare: () => void | Promise<void> = () => undefined) {
  for (const version of versions.slice(0, -1)) await release(version);
  await prepare();
  return release(versions.at(-1) ?? '', { prune: true, keep_versions: 1 });
}

const tags = () => factory.target.storage.tags('mirror/plugins/cache');

describe('copies that nothing uses', () => {
  it('lists unused copies in plan and verify, and deletes none', async () => {
    for (const version of ['1', '2', '3', '4']) await release(version);
    for (const action of ['plan', 'verify']) {
      const report = await factory.run(action, { ...choice, keep_versions: 1 });
      expect(report.status).toBe('SUCCEEDED');
      expect(report.unused?.map(({ reference }) => reference)).toEqual(
        [1, 2].map((v) => factory.copyOf(cache(`${v}`))),
      );
    }
    expect(tags()).toEqual(['1', '2', '3', '4']);
  });

  it('does not mention unused copies in a sync that does not prune', async () => {
    for (const version of ['1', '2', '3', '4']) await release(version);
    expect(await release('5', { keep_versions: 1 })).not.toHaveProperty('unused');
  });

  it('deletes unused copies, except those of the last keep_versions runs that wrote', async () => {
    for (const version of ['1', '2', '3', '4']) await release(version);
    // Runs that wrote nothing do not count.
    await factory.sync(choice);
    const report = await release('5', { prune: true, keep_versions: 2 });
    expect(report.unused?.map(({ reference }) => reference)).toEqual([1].map((v) => factory.copyOf(cache(`${v}`))));
    expect(tags()).toEqual(['2', '3', '4', '5']);
    const again = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(again.unused?.map(({ reference }) => reference)).toEqual([2, 3].map((v) => factory.copyOf(cache(`${v}`))));
    expect(tags()).toEqual(['4', '5']);
  });

  it('stay while a field without an override uses them through the connector', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    await factory.run('reset', choice);
    const [connector] = factory.harness.state[factory.harness.accountId]?.connectors ?? [];
    Object.assign(connector?.spec ?? {}, { dockerRegistryUrl: `http://${factory.registry}` });
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache('1'));
    await factory.sync({ include_fields: ['addonTag'], prune: true, keep_versions: 1 });
    expect(tags()).toEqual(['1', '3']);
  });

  it('do not count a run that changed the connector alone as one that wrote', async () => {
    for (const version of ['1', '2']) await release(version);
    const { runId } = await release('3');
    const snapshot = await factory.document<object>(`runs/${runId}/snapshot.json`);
    const later = { ...snapshot, runId: 'later', takenAt: new Date(Date.now() + 60_000).toISOString(), scopes: [] };
    await factory.store.put('runs/later/snapshot.json', Buffer.from(JSON.stringify(later)));
    await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(tags()).toEqual(['2', '3']);
  });

  it.each([
    ['a field of VM', () => (account().VM = { cacheS3Tag: factory.copyOf(cache('1')) })],
    [
      'another module',
      () => {
        const state = factory.harness.state[factory.harness.accountId];
        if (state) state.iacm.K8 = { iacmTerraform: factory.copyOf(cache('1')) };
      },
    ],
    ['a name of the registry with another port', () => useInVm(factory.copyOf(cache('1')).replace(/:\d+\//, '/'))],
    ['an override that leaves the registry to a connector', () => useInVm(cache('1'))],
    ['an override that leaves only the host to a connector', () => useInVm(`mirror/${cache('1')}`)],
    ['an override with tag and digest', () => useInVm(`${factory.copyOf(cache('1'))}@${digestAt('1')}`)],
    ['an override by digest', () => useInVm(`${factory.registry}/plugins/cache@${digestAt('1')}`)],
    ['a run at work on another account', () => runAtWork('1')],
  ] satisfies [string, () => unknown][])('stay while %s uses them', async (_, use) => {
    for (const version of ['1', '2', '3']) await release(version);
    await Promise.resolve(use());
    const report = await release('4', { prune: true, keep_versions: 1 });
    expect(report.status).toBe('SUCCEEDED');
    expect(tags()).toContain('1');
  });

  it('stay while they are what another account’s last run wrote', async () => {
    const { runId } = await release('1');
    const key = `runs/${runId}/snapshot.json`;
    const snapshot = await factory.document<object>(key);
    await factory.store.put(key, Buffer.from(JSON.stringify({ ...snapshot, accountId: 'another' })));
    for (const version of ['2', '3', '4']) await release(version);
    await release('5', { prune: true, keep_versions: 1 });
    expect(tags()).toEqual(['1', '3', '4', '5']);
  });

  it('stay when they are used between plan and prune', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    factory.store.onPut = (key) => {
      if (key.endsWith('/config.json')) account().VM = { cacheS3Tag: factory.copyOf(cache('1')) };
    };
    await release('4', { prune: true, keep_versions: 1 });
    expect(tags()).toContain('1');
  });

  it('stay when they are part of an index that is used', async () => {
    await release('1');
    const index = JSON.parse(factory.target.storage.manifest('mirror/plugins/cache', '1')?.bytes.toString() ?? '') as {
      manifests?: { digest: string }[];
    };
    const child = index.manifests?.[0]?.digest;
    if (child === undefined) throw new TypeError('the sample is no index');
    // Mirrored by itself once, under a tag of its own, as Harness publishes platforms.
    factory.source.storage.tag('plugins/cache', '1-linux-amd64', child);
    await factory.sync({ ...choice, extra_images: [cache('1-linux-amd64')] });
    const report = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(report.unused).toBeUndefined();
    expect(factory.target.storage.manifest('mirror/plugins/cache', child)).toBeDefined();
  });

  it('keeps images that somebody else pushed', async () => {
    factory.publish([cache('1')]);
    const image = factory.publish([cache('0')])[0];
    if (!image) throw new TypeError();
    factory.target.storage.putImage('mirror/plugins/cache', '0', image);
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache('0'));
    const first = await factory.sync(choice);
    expect(first.images[0]?.status).toBe('skipped');
    for (const version of ['1', '2', '3', '4']) await release(version);
    await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(tags()).toEqual(['0', '3', '4']);
  });

  it('continues without pruning when the key may not read every module', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    factory.harness.quirks.failNext = [{ count: 100, status: 403, path: '/idp/', body: { status: 'ERROR' } }];
    const report = await release('4', { prune: true, keep_versions: 1 });
    expect(report.status).toBe('SUCCEEDED');
    expect(ownWarnings(report)).toEqual([expect.stringContaining('could not look for unused copies')]);
    expect(tags()).toEqual(['1', '2', '3', '4']);
  });

  it('warns about copies that cannot be deleted, since the switch is done', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    factory.target.quirks.noDelete = true;
    const report = await release('4', { prune: true, keep_versions: 1 });
    expect(report.status).toBe('SUCCEEDED');
    expect(ownWarnings(report)).toEqual([expect.stringMatching(/^prune stopped: /)]);
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf(cache('4')) });
  });
});

describe('images that no field names', () => {
  const scanner = (version: string) => `harness/aqua-trivy-job-runner:${version}`;
  const nightly = { ...choice, extra_images: [scanner('1.0.0')] };
  const byHand = { ...choice, prune: true, keep_versions: 1 };
  const scanners = () => factory.target.storage.tags('mirror/harness/aqua-trivy-job-runner').toSorted();
  beforeEach(() => {
    factory.publish([scanner('1.0.0')]);
  });

  it('stay while a run of the last 90 days listed them, no matter how many later runs did not', async () => {
    const listed = await factory.sync(nightly);
    for (let run = 0; run < 3; run++) expect((await factory.sync(byHand)).unused).toBeUndefined();
    expect(scanners()).toEqual(['1.0.0']);
    await longAgo(listed);
    expect(outcomes(await factory.sync(byHand))).toEqual({ '1.0.0': 'deleted' });
  });

  it('stay when the run that listed them copied them and failed', async () => {
    factory.harness.quirks.loseWrites = 9;
    expect((await factory.sync(nightly)).status).toBe('FAILED');
    factory.harness.quirks.loseWrites = 0;
    await factory.sync(byHand);
    expect(scanners()).toEqual(['1.0.0']);
  });

  it('stay in keep_versions versions of each range', async () => {
    const range = { ...choice, extra_images: [scanner('^1')] };
    for (const version of ['1.0.0', '1.0.1', '1.0.2']) {
      factory.publish([scanner(version)]);
      for (let night = 0; night < 2; night++) await factory.sync(range);
    }
    await factory.sync({ ...byHand, keep_versions: 2 });
    expect(scanners()).toEqual(['1.0.1', '1.0.2']);
  });

  it('do not stay because a plan or a verification listed them', async () => {
    await longAgo(await factory.sync(nightly));
    for (const action of ['plan', 'verify']) await factory.run(action, nightly);
    expect(outcomes(await factory.sync(byHand))).toEqual({ '1.0.0': 'deleted' });
  });

  it('stay when a run of another account lists them between plan and prune', async () => {
    const listed = await factory.sync(nightly);
    const [planKey, reportKey] = ['plan', 'report'].map((name) => `runs/${listed.runId}/${name}.json`);
    const plan = await factory.document<Plan>(planKey ?? '');
    await longAgo(listed);
    factory.store.onPut = async (key) => {
      if (!key.endsWith('/plan.json') || key.startsWith('runs/other/')) return;
      factory.store.onPut = () => undefined;
      const other = { ...plan, runId: 'other', accountId: 'another' };
      await factory.store.put('runs/other/plan.json', Buffer.from(JSON.stringify(other)));
      await factory.store.put('runs/other/report.json', (await factory.store.get(reportKey ?? '')) ?? Buffer.from(''));
    };
    await factory.sync(byHand);
    expect(scanners()).toEqual(['1.0.0']);
  });

  it('stay when an import brought them', async () => {
    const bundle = join(temporaryFolder('pruned-bundle'), 'harness.tar');
    await factory.run('export', { ...nightly, bundle });
    expect((await factory.run('import', { ...choice, bundle })).status).toBe('SUCCEEDED');
    await factory.sync(byHand);
    expect(scanners()).toEqual(['1.0.0']);
  });
});

it('keeps copies that a run listed for fields and left to connectors of stages', async () => {
  factory.publish([cache('1')]);
  factory.harness.setDefault('ci', 'VM', 'cacheS3Tag', cache('1'));
  const [connector] = factory.harness.state[factory.harness.accountId]?.connectors ?? [];
  Object.assign(connector?.spec ?? {}, { dockerRegistryUrl: 'https://index.docker.io' });
  await factory.sync({ ...choice, infrastructure_type: 'VM', modify_default: false });
  await releases(['2', '3', '4', '5']);
  expect(tags()).toEqual(['1', '3', '4', '5']);
});

it('keeps copies that fields of another scope use through the connector, as the last run of that scope found', async () => {
  const { registry } = factory;
  const [connector] = factory.harness.state[factory.harness.accountId]?.connectors ?? [];
  Object.assign(connector?.spec ?? {}, { dockerRegistryUrl: `http://${registry}` });
  factory.publish([cache('1')]);
  factory.harness.setDefault('ci', 'VM', 'cacheS3Tag', cache('1'));
  await factory.sync({ ...choice, infrastructure_type: 'VM', modify_default: false });
  await releases(['2', '3', '4', '5']);
  expect(tags()).toEqual(['1', '3', '4', '5']);
});

describe('a digest that several images share', () => {
  /** Version `1` is published again as `5`, bit for bit. */
  const republish = () => {
    const image = factory.publish([cache('1')])[0];
    if (!image) throw new TypeError();
    factory.source.storage.putImage('plugins/cache', '5', image);
  };
  const sync5 = (input: object = {}) => {
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache('5'));
    return factory.sync({ ...choice, prune: true, keep_versions: 1, ...input });
  };
  const whole = async () => (await factory.run('verify', choice)).status;

  it('stays for the tag that Harness is switched to, while the unused tag goes', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    republish();
    const report = await sync5();
    expect(report.status).toBe('SUCCEEDED');
    expect(outcomes(report)).toEqual({ 1: 'untagged' });
    expect(tags()).toEqual(['2', '3', '5']);
    expect(await whole()).toBe('SUCCEEDED');
    expect((await factory.run('plan', { ...choice, keep_versions: 2 })).unused).toBeUndefined();
  });

  it.each(['refused', 'unsupported'] as const)('stays with both tags where deleting a tag is %s', async (deleteTag) => {
    factory.target.quirks.deleteTag = deleteTag;
    for (const version of ['1', '2', '3']) await release(version);
    republish();
    const report = await sync5();
    expect(ownWarnings(report)).toEqual([]);
    expect(outcomes(report)).toEqual({ 1: 'kept' });
    expect(report.unused?.find(({ status }) => status === 'kept')?.reason).toBe(
      `the tag 5 has the same digest, and ${factory.target.host} does not delete tags alone`,
    );
    expect(tags()).toEqual(['1', '2', '3', '5']);
  });

  it('restores a shared digest where the registry deletes the manifest with one of its tags', async () => {
    factory.target.quirks.deleteTag = 'manifest';
    for (const version of ['1', '2', '3']) await release(version);
    republish();
    const report = await sync5();
    expect(report.unused?.find(({ status }) => status === 'untagged')?.reason).toMatch(/also deleted 5; restored$/);
    expect(tags()).toEqual(['2', '3', '5']);
    expect(await whole()).toBe('SUCCEEDED');
  });

  it('keeps a tag that the registry only claims to have deleted', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    republish();
    factory.target.faults.add({ match: { method: 'DELETE', path: /manifests\/1$/ }, act: { status: 202 } });
    expect(outcomes(await sync5())).toMatchObject({ 1: 'kept' });
    expect(tags()).toContain('1');
  });

  it('stays while its image soaks under its digest alone', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    const moving = factory.publish([cache('1')])[0];
    if (!moving) throw new TypeError();
    // A floating tag that Harness uses moves to what version 1 is.
    factory.source.storage.putImage('plugins/cache', '3', moving);
    const report = await factory.sync({ ...choice, prune: true, keep_versions: 1, soak_days: 3 });
    expect(report.unused).toBeUndefined();
    expect(factory.target.storage.manifest(repository, moving.digest)).toBeDefined();
  });

  it('stays while a tag that the factory did not push has it', async () => {
    const report = await releases(['1', '2', '3', '4'], () =>
      factory.target.storage.tag(repository, 'theirs', digestAt('1')),
    );
    expect(outcomes(report)).toEqual({ 1: 'untagged' });
    expect(tags()).toEqual(['2', '3', '4', 'theirs']);
  });

  it('stays while an index under a tag that the factory did not push leads to it', async () => {
    const report = await releases(['1', '2', '3', '4'], () => {
      const image = factory.publish([cache('1')])[0];
      if (!image) throw new TypeError();
      factory.target.storage.putImage(repository, 'theirs', indexOf([indexOf([image])]));
    });
    expect(report.unused?.[0]).toMatchObject({ status: 'kept', reason: 'an image that is kept refers to it' });
    expect(tags()).toEqual(['1', '2', '3', '4', 'theirs']);
  });

  it('stays when the official image becomes an index over it', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    const image = factory.publish([cache('1')])[0];
    if (!image) throw new TypeError();
    factory.source.storage.putImage('plugins/cache', '5', indexOf([image]));
    expect((await sync5()).unused).toBeUndefined();
    expect(tags()).toEqual(['1', '2', '3', '5']);
    expect(await whole()).toBe('SUCCEEDED');
  });

  it('stays for an index that verify finds missing, whose manifests only the source holds', async () => {
    for (const version of ['1', '2', '3']) await release(version);
    const image = factory.publish([cache('1')])[0];
    if (!image) throw new TypeError();
    factory.source.storage.putImage('plugins/cache', '5', indexOf([image]));
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache('5'));
    factory.target.quirks.forbiddenForMissing = true;
    factory.target.quirks.jfrogVersion = 'Artifactory/7';
    const report = await factory.run('verify', { ...choice, keep_versions: 1 });
    expect(report.unused).toBeUndefined();
  });
});

describe('a repository whose tags cannot be known', () => {
  it.each([
    ['are not listed', { status: 403 }, 'HTTP 403'],
    ['are listed in part', { status: 200, body: '{"tags":["3"]}' }, 'omits the tag 1 from its list of tags'],
    ['are not a list', { status: 200, body: '{}' }, 'cannot be read'],
  ])('loses nothing when they %s', async (_, act, reason) => {
    const report = await releases(['1', '2', '3', '4', '5'], () => {
      factory.target.faults.add({ match: { path: /tags\/list/ }, act });
    });
    expect(report.status).toBe('SUCCEEDED');
    expect(outcomes(report)).toEqual({ 1: 'kept', 2: 'kept' });
    for (const row of report.unused ?? []) expect(row.reason).toContain(reason);
    expect(tags()).toEqual(['1', '2', '3', '4', '5']);
    // The next prune finds them again.
    expect(outcomes(await factory.sync({ ...choice, prune: true, keep_versions: 1 }))).toMatchObject({ 1: 'deleted' });
  });
});

describe('a registry that deletes in its own way', () => {
  it('deletes tags first where the registry refuses a tagged digest', async () => {
    factory.target.quirks.tagsFirst = true;
    for (const version of ['1', '2', '3']) await release(version);
    const prunes = () => factory.sync({ ...choice, prune: true, keep_versions: 1 });
    expect(ownWarnings(await prunes())).toEqual([expect.stringContaining('GOOGLE_MANIFEST_DANGLING_TAG')]);
    const { runId } = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
    await factory.task(async (_, run) => {
      run.runtime.registry(factory.target.host).adapt({ tagsFirst: true }, '');
      const { accountId } = await run.runtime.harness();
      await run.runtime.lock.take({ runId, action: 'sync' }, accountId);
      await prune({ runId }, run);
    }, undefined);
    expect(tags()).toEqual(['2', '3']);
  });

  it('reads tags and deletes by its own API, indexes before their children', async () => {
    const calls: string[][] = [];
    await factory.close();
    factory = await startFactory({
      samples: {},
      repositories: {
        tags: async () => new Map(tags().map((tag) => [tag, digestAt(tag) as Digest])),
        deleteImages: async (...call) => {
          calls.push(call.flat());
          return new Map(call[2].includes(digestAt('2')) ? [[digestAt('2'), 'an index refers to it']] : []);
        },
      },
    });
    const child = factory.publish([cache('1')])[0];
    if (!child) throw new TypeError();
    const report = await releases(['1', '2', '3', '4', '5'], async () => {
      factory.source.storage.putImage('plugins/cache', 'over', indexOf([child]));
      await longAgo(await factory.sync({ ...choice, extra_images: [cache('over')] }));
    });
    expect(calls.map(([, , reference]) => reference)).toEqual(['over', '1', '2'].map(digestAt));
    expect(outcomes(report)).toEqual({ over: 'deleted', 1: 'deleted', 2: 'kept' });
  });
});

describe('overrides of fields that Harness no longer has', () => {
  beforeEach(async () => {
    account().K8 = { goneTag: factory.copyOf('harness/gone:1'), foreignTag: 'registry.corp.example/x:1' };
  });

  it('reports overrides of fields that Harness no longer has', async () => {
    const report = await factory.sync(choice);
    expect(report.config.find(({ field }) => field === 'goneTag')).toMatchObject({
      status: 'unchanged',
      reason: expect.stringContaining('prune: true'),
    });
    expect(report.config.find(({ field }) => field === 'foreignTag')).toBeUndefined();
  });

  it('removes overrides of fields that Harness no longer has with prune', async () => {
    factory.store.onPut = (key) => {
      // Harness's setter knows fields for longer than its list of images shows them.
      if (key.endsWith('/plan.json')) factory.harness.setDefault('ci', 'K8', 'goneTag', 'harness/gone:1');
    };
    const report = await factory.sync({ ...choice, prune: true });
    expect(report.error).toBeUndefined();
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'updated', 'ci K8 goneTag': 'reset' });
    expect(factory.overrides()).toEqual({
      cacheS3Tag: factory.copyOf(cache('1.10.12')),
      foreignTag: 'registry.corp.example/x:1',
    });
  });

  it('keeps the switch when Harness refuses to remove an override', async () => {
    const report = await factory.sync({ ...choice, prune: true });
    expect(report.status).toBe('SUCCEEDED');
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'updated', 'ci K8 goneTag': 'rejected' });
  });
});
