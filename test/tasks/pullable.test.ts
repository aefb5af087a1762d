import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Plan } from '../../functions/state/documents.ts';
import { snapshot } from '../../functions/snapshot/snapshot.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, startFactory } from './factory.ts';

const repository = 'mirror/plugins/cache';
const tag = '1.10.12';
/** An image for two fields, and another one that shares its base. */
const choice = { include_fields: ['cache*', 'gitCloneTag'] };

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory({ samples: {} });
});
afterEach(() => factory.close());

/** Everything is copied by an earlier run; nothing points at it. */
async function copied(): Promise<void> {
  expect((await factory.sync({ ...choice, modify_default: false })).error).toBeUndefined();
  factory.target.requests.length = 0;
}

/** Damages the registry between the plan and the switch. */
function afterPlan(damage: () => unknown): void {
  factory.store.onPut = (key) => void (key.endsWith('/plan.json') && damage());
}

/** The digests below a tag at the target. */
function below(name = repository, reference = tag): { children: string[]; blobs: string[] } {
  const manifest = factory.target.storage.manifest(name, reference);
  const {
    manifests = [],
    config,
    layers = [],
  } = JSON.parse(manifest?.bytes.toString() ?? '{}') as Record<string, never>;
  const children = (manifests as { digest: string }[]).map(({ digest }) => digest);
  const own = [config, ...layers].flatMap((blob: { digest: string } | undefined) => blob?.digest ?? []);
  return { children, blobs: [...own, ...children.flatMap((child) => below(name, child).blobs)] };
}

const looks = (method: string, path: RegExp) =>
  factory.target.requests.filter((request) => request.method === method && path.test(request.path));

describe('the check before the first write', () => {
  it('every manifest and blob of an image that was there is looked up by HEAD, after the plan has done the same', async () => {
    await copied();
    const report = await factory.sync(choice);
    expect(report.error).toBeUndefined();
    const expected = new Set(
      ['plugins/cache:1.10.12', 'harness/drone-git:1.7.25-rootless'].flatMap((image) => {
        const [name, version] = image.split(':');
        const { children, blobs } = below(`mirror/${name}`, version);
        return [
          ...children.map((d) => `/v2/mirror/${name}/manifests/${d}`),
          ...blobs.map((d) => `/v2/mirror/${name}/blobs/${d}`),
        ];
      }),
    );
    const asked = looks('HEAD', /sha256:/).map(({ path }) => path);
    expect(asked.toSorted()).toEqual([...expected, ...expected].toSorted());
    expect(looks('GET', /./)).toEqual([]);
  });

  it.each<[string, () => string, string]>([
    ['a blob', () => below().blobs.at(-1) as string, 'lacks blob'],
    ['the config of a platform', () => below().blobs[0] as string, 'lacks blob'],
    ['a platform', () => below().children.at(-1) as string, 'lacks manifest'],
  ])('%s that went missing after the plan ends the run, and is named', async (_, pick, words) => {
    await copied();
    const digest = pick();
    afterPlan(() => {
      factory.target.storage.deleteBlob(repository, digest);
      if (words.endsWith('manifest')) factory.target.storage.deleteManifest(repository, digest);
    });
    const report = await factory.sync(choice);
    expect(report.error).toMatchObject({
      name: 'ImagesIncomplete',
      message: expect.stringContaining(`${factory.copyOf(`plugins/cache:${tag}`)} ${words} ${digest}`),
      hint: 'Harness was not changed. Run sync again: it copies what is missing.',
    });
    expect(factory.overrides()).toEqual({});
    expect(factory.writes()).toEqual([]);
    // There is nothing to restore, and the run is none of the last that wrote.
    expect(await factory.store.get(`runs/${report.runId}/snapshot.json`)).toBeUndefined();
  });

  it('the cure of the hint cures', async () => {
    await copied();
    const { blobs } = below();
    afterPlan(() => blobs.forEach((digest) => factory.target.storage.deleteBlob(repository, digest)));
    const report = await factory.sync(choice);
    expect(report.error?.message.match(/lacks blob/g)).toHaveLength(new Set(blobs).size);
    factory.store.onPut = () => undefined;
    // Nothing is to be switched, and the copy is a minute old: the failed run made the next one look.
    const again = await factory.sync({ ...choice, modify_default: false });
    expect(again).toMatchObject({ status: 'SUCCEEDED', totals: { repaired: 1 } });
    expect((await factory.sync(choice)).error).toBeUndefined();
    expect(Object.keys(factory.overrides())).toContain('cacheS3Tag');
  });

  it.each([
    ['is gone', () => factory.target.storage.deleteTag(repository, tag), 'does not exist'],
    [
      'leads elsewhere',
      () => factory.target.storage.tag(repository, tag, below().children[0] ?? ''),
      /is sha256:\w+, not sha256:/,
    ],
  ])('a tag that %s since the plan ends the run', async (_, damage, message) => {
    await copied();
    afterPlan(damage);
    const report = await factory.sync(choice);
    expect(report.error?.name).toBe('ImagesIncomplete');
    expect(report.error?.message).toMatch(message);
    expect(factory.writes()).toEqual([]);
  });

  it('ends the run when the registry does not respond', async () => {
    await copied();
    factory.target.faults.add({ match: { method: 'HEAD', path: /blobs/, times: 100 }, act: { status: 503 } });
    expect((await factory.sync(choice)).error?.name).toBe('RegistryFailed');
    expect(factory.writes()).toEqual([]);
  });

  it('checks a blob by the start of its download where HEAD is refused', async () => {
    await copied();
    factory.target.faults.add({ match: { method: 'HEAD', path: /blobs/, times: 1000 }, act: { status: 403 } });
    const [blob = ''] = below().blobs;
    afterPlan(() => factory.target.storage.deleteBlob(repository, blob));
    expect((await factory.sync(choice)).error?.message).toMatch(new RegExp(`lacks blob ${blob}$`));
    factory.store.onPut = () => undefined;
    expect((await factory.sync(choice)).error).toBeUndefined();
  });

  it('a missing blob that is answered with 403 is missing', async () => {
    await copied();
    factory.target.quirks.forbiddenForMissing = true;
    const [blob = ''] = below().blobs;
    afterPlan(() => factory.target.storage.deleteBlob(repository, blob));
    expect((await factory.sync(choice)).error?.message).toContain('lacks blob');
  });

  it('a platform that this run would have to read and cannot is named', async () => {
    await copied();
    const { runId } = await factory.sync(choice);
    const account = factory.harness.state[factory.harness.accountId];
    if (account) account.ci.K8 = {};
    const child = below().children[0] as string;
    factory.target.storage.deleteManifest(repository, child);
    for (const key of await factory.store.list('manifests/')) await factory.store.put(key, Buffer.from('damaged'));
    const report = await factory.task(snapshot, { runId }).then(
      () => ({ error: undefined }),
      (error: unknown) => ({ error }),
    );
    expect(report.error).toMatchObject({ name: 'ImagesIncomplete', message: expect.stringContaining(child) });
  });

  it('a layer that is left at its own addresses is no fault', async () => {
    const type = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
    const image = storedImage([Buffer.from('base'), Buffer.from('own')], {
      foreign: { type, urls: ['https://mcr.example/layer'] },
    });
    factory.target.storage.putImage(repository, tag, image);
    factory.source.storage.putImage('plugins/cache', tag, image);
    for (const digest of image.blobs.keys())
      if (image.blobs.get(digest)?.toString() === 'base') factory.target.storage.deleteBlob(repository, digest);
    expect((await factory.sync({ include_fields: ['cacheS3Tag'] })).error).toBeUndefined();
    expect(factory.overrides()).toHaveProperty('cacheS3Tag');
  });

  it('checks the images that a restore writes back', async () => {
    const { runId } = await factory.sync(choice);
    await factory.run('reset');
    const { runId: resetRun } = await factory.sync(choice);
    expect(resetRun).not.toBe(runId);
    const { runId: last } = await factory.run('reset');
    factory.target.storage.deleteBlob(repository, below().blobs[0] as string);
    const report = await factory.run('restore', { restore_run: last });
    expect(report.error).toMatchObject({ name: 'ImagesIncomplete', hint: expect.stringContaining('pins') });
    expect(factory.overrides()).toEqual({});
  });
});

describe('the copies of this run', () => {
  const asked = () =>
    looks('HEAD', /mirror\/plugins\/cache\/.*sha256:/)
      .map(({ path }) => path.replace(/.*\//, ''))
      .toSorted();

  it('looks up copies of this run, without blobs that the registry confirmed within the last minute', async () => {
    expect((await factory.sync(choice)).error).toBeUndefined();
    expect(below().children).not.toEqual([]);
    expect(asked()).toEqual(below().children.toSorted());
  });

  it('looks up copies of this run with their blobs when the run began more than a minute ago', async () => {
    const { runId } = await factory.sync(choice);
    const account = factory.harness.state[factory.harness.accountId];
    if (account) account.ci.K8 = {};
    const key = `runs/${runId}/plan.json`;
    const startedAt = new Date(Date.now() - 60_000).toISOString();
    const plan = { ...(await factory.document<Plan>(key)), startedAt };
    await factory.store.put(key, Buffer.from(JSON.stringify(plan)));
    factory.target.requests.length = 0;
    expect(await factory.task(snapshot, { runId })).toMatchObject({ updates: 3 });
    const { children, blobs } = below();
    expect(asked()).toEqual([...new Set([...children, ...blobs])].toSorted());
    factory.target.storage.deleteBlob(repository, blobs[0] as string);
    await expect(factory.task(snapshot, { runId })).rejects.toMatchObject({
      name: 'ImagesIncomplete',
      message: expect.stringContaining('lacks blob'),
    });
  });

  it.each([
    ['the tag', () => factory.target.storage.deleteTag(repository, tag), /does not exist$/],
    ['a platform', (child: string) => factory.target.storage.deleteManifest(repository, child), /lacks manifest/],
  ])('ends the run when somebody deleted %s between the copy and the switch', async (_, clean, message) => {
    factory.store.onPut = (key) => void (key.endsWith('/changes.json') && clean(below().children[0] ?? ''));
    const report = await factory.sync(choice);
    expect(report.error).toMatchObject({ name: 'ImagesIncomplete', message: expect.stringMatching(message) });
    expect(factory.writes()).toEqual([]);
  });
});
