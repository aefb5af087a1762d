import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { plan } from '../../functions/plan/plan.ts';
import type { Plan, Report } from '../../functions/state/documents.ts';
import type { Template } from '../../functions/runtime/template.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { indexOf, storedImage } from '../oci/stored-images.ts';
import { type Factory, type FactoryOptions, imageStatuses, ownWarnings, startFactory } from './factory.ts';

const image = 'plugins/cache:1.10.12';
const name = 'plugins/cache';
const tag = '1.10.12';
const repository = `mirror/${name}`;
const choice = { include_fields: ['cache*'] };
const now = { ...choice, recheck_days: 0 };

let factory: Factory;
beforeEach(() => start());
afterEach(() => factory.close());

async function start(options?: FactoryOptions): Promise<void> {
  await factory?.close();
  factory = await startFactory({ samples: {}, ...options });
}

/** Everything below a tag at the target. */
function below(reference = tag, repo = repository): { children: string[]; blobs: string[] } {
  const { bytes } = factory.target.storage.manifest(repo, reference) ?? {};
  const { manifests = [], config, layers = [] } = JSON.parse(bytes?.toString() ?? '{}') as Record<string, never>;
  const children = (manifests as { digest: string }[]).map(({ digest }) => digest);
  const own = [config, ...layers].flatMap((blob: { digest: string } | undefined) => blob?.digest ?? []);
  return { children, blobs: [...own, ...children.flatMap((child) => below(child, repo).blobs)] };
}

/** Takes pieces away as a cleanup does that knows tags only; returns how many bytes of blobs these are. */
function lose(...digests: string[]): number {
  const { storage } = factory.target;
  return digests.reduce((bytes, digest) => {
    const { size = 0 } = storage.blob(repository, digest) ?? {};
    storage.deleteBlob(repository, digest);
    storage.deleteManifest(repository, digest);
    return bytes + size;
  }, 0);
}

/** Drops the last byte of a blob, as a storage does that ran full; returns the size that the blob had. */
function cut(digest: string, { storage } = factory.target, repo = repository): number {
  const content = Buffer.concat([...(storage.blob(repo, digest)?.chunks ?? [])]);
  storage.deleteBlob(repo, digest);
  storage.putBlob(repo, content.subarray(0, -1), digest);
  return content.length;
}

function isWhole(reference = tag): boolean {
  const { storage } = factory.target;
  const { children, blobs } = below(reference);
  return (
    blobs.length > 0 &&
    children.every((digest) => storage.manifest(repository, digest)) &&
    blobs.every((digest) => storage.blob(repository, digest))
  );
}

/** Every look so far is that many days older. */
async function wait(days: number): Promise<void> {
  await factory.store.update('looks/images.json', (body) => {
    const looks = JSON.parse(Buffer.from(body ?? []).toString()) as { images: Record<string, { day: string }> };
    for (const look of Object.values(looks.images)) {
      look.day = new Date(Date.parse(look.day) - days * 86_400_000).toISOString().slice(0, 10);
    }
    return Buffer.from(JSON.stringify(looks));
  });
}

const requests = (method: string, path = /./) =>
  factory.target.requests.filter((request) => request.method === method && path.test(request.path));

describe('verify', () => {
  it.each<[string, () => string[]]>([
    ['a layer', () => [below().blobs.at(-1) ?? '']],
    ['a platform', () => [below().children[1] ?? '']],
    ['a layer and a platform', () => [below().blobs[0] ?? '', below().children[1] ?? '']],
  ])('names %s that is missing below a tag that is right, and writes nothing', async (_, pick) => {
    await factory.sync(choice);
    const lost = pick();
    lose(...lost);
    factory.target.requests.length = 0;
    const written = factory.writes().length;
    const report = await factory.run('verify', choice);
    expect(report.error).toMatchObject({ name: 'DriftFound', hint: 'Run sync to repair it.' });
    for (const digest of lost) expect(report.error?.message).toContain(digest);
    expect(report.incomplete).toMatchObject([{ reference: factory.copyOf(image) }]);
    expect(report.incomplete?.[0]?.missing.map(({ digest }) => digest).toSorted()).toEqual(lost.toSorted());
    expect(factory.writes()).toHaveLength(written);
    expect(requests('PUT')).toEqual([]);
    expect(requests('POST')).toEqual([]);
  });

  it('names a blob whose end is lost', async () => {
    await factory.sync(choice);
    const digest = below().blobs.at(-1) ?? '';
    const size = cut(digest);
    const report = await factory.run('verify', choice);
    expect(report.error?.message).toContain(`lacks blob ${digest}`);
    expect(report.incomplete).toMatchObject([{ missing: [{ kind: 'blob', digest, size }] }]);
  });

  it('looks each piece up once, however many images share it', async () => {
    await factory.sync();
    factory.target.requests.length = 0;
    expect((await factory.run('verify')).status).toBe('SUCCEEDED');
    const looks = requests('HEAD', /sha256:/).map(({ path }) => path);
    expect(looks.length).toBeGreaterThan(20);
    expect(looks).toHaveLength(new Set(looks).size);
  });

  it('names what an override needs that no selected field stands behind', async () => {
    await factory.sync({ modules: ['ci'] });
    lose(below().blobs[0] ?? '');
    const report = await factory.run('verify', { include_fields: ['gitCloneTag'] });
    expect(report.error?.message).toContain(`${factory.copyOf(image)} lacks blob`);
  });

  it('looks at the modules of the run alone when the key may not read the others', async () => {
    await factory.sync(choice);
    factory.harness.quirks.failNext = [{ count: 99, status: 403, path: '/iacm-manager/' }];
    expect((await factory.run('verify', choice)).status).toBe('SUCCEEDED');
    lose(below().blobs[0] ?? '');
    factory.harness.quirks.failNext = [{ count: 99, status: 403, path: '/iacm-manager/' }];
    expect((await factory.run('verify', choice)).error?.name).toBe('DriftFound');
  });

  it('agrees when referrers are copied too', async () => {
    await factory.sync({ ...choice, referrers: 'all' });
    expect((await factory.run('verify', { ...choice, referrers: 'all' })).error).toBeUndefined();
  });

  it('makes the next sync mend what it found', async () => {
    await factory.sync(choice);
    lose(below().blobs[0] ?? '');
    await factory.run('verify', choice);
    expect(imageStatuses(await factory.sync(choice))).toEqual({ [image]: 'repaired' });
    expect(isWhole()).toBe(true);
    expect((await factory.run('verify', choice)).status).toBe('SUCCEEDED');
  });
});

describe('sync', () => {
  it.each<[string, () => string[]]>([
    ['a layer', () => [below().blobs.at(-1) ?? '']],
    ['a config', () => [below().blobs[0] ?? '']],
    ['a platform', () => [below().children[0] ?? '']],
    ['all blobs', () => below().blobs],
    ['all platforms', () => below().children],
    ['everything below the tag', () => [...below().children, ...below().blobs]],
  ])('copies %s again, under the same digests, and nothing else', async (_, pick) => {
    await factory.sync(choice);
    const before = factory.arrived(image);
    const bytes = lose(...pick());
    const report = await factory.sync(now);
    expect(report).toMatchObject({
      status: 'SUCCEEDED',
      images: [{ image, status: 'repaired', digest: before, bytesTransferred: bytes }],
      totals: { copied: 0, repaired: 1, skipped: 0, failed: 0 },
      incomplete: [{ reference: factory.copyOf(image) }],
    });
    expect(factory.arrived(image)).toBe(before);
    expect(isWhole()).toBe(true);
    expect(await factory.sync(now)).toMatchObject({ totals: { repaired: 0, skipped: 1 } });
  });

  it('copies a blob again whose end is lost, and nothing else', async () => {
    await factory.sync(choice);
    const digest = below().blobs.at(-1) ?? '';
    const size = cut(digest);
    const report = await factory.sync(now);
    expect(report).toMatchObject({ status: 'SUCCEEDED', images: [{ status: 'repaired', bytesTransferred: size }] });
    expect(factory.target.storage.blob(repository, digest)?.size).toBe(size);
    expect((await factory.run('verify', choice)).status).toBe('SUCCEEDED');
  });

  it('finds a blob whole by its download where HEAD gives a wrong length', async () => {
    await factory.sync(choice);
    const wrong = { status: 200, headers: { 'content-length': '0' } };
    factory.target.faults.add({ match: { method: 'HEAD', path: /blobs/, times: 1000 }, act: wrong });
    factory.target.requests.length = 0;
    expect(imageStatuses(await factory.sync(now))).toEqual({ [image]: 'skipped' });
    expect(requests('GET', /blobs/)).toHaveLength(new Set(below().blobs).size);
  });

  it('does not repair from a source that lost the end of the blob', async () => {
    await factory.sync(choice);
    const digest = below().blobs.at(-1) ?? '';
    lose(digest);
    cut(digest, factory.source, name);
    const [row] = (await factory.sync(now)).images;
    expect(row?.error?.message).toContain(`lacks blob ${digest}; no source has all of these pieces`);
  });

  it('looks again after recheck_days, and spends two requests on an image until then', async () => {
    await factory.sync();
    const spent = async (input = {}) => {
      factory.target.requests.length = 0;
      factory.source.requests.length = 0;
      const { totals } = await factory.sync(input);
      return [factory.target.requests.length / totals.images, factory.source.requests.length / totals.images];
    };
    expect(await spent()).toEqual([1, 1]);
    await wait(6);
    expect(await spent()).toEqual([1, 1]);
    await wait(1);
    const [atTarget = 0, atSource] = await spent();
    expect(atTarget).toBeGreaterThan(4);
    expect(atSource).toBe(1);
    // The look counts.
    expect(await spent()).toEqual([1, 1]);
    expect((await spent({ recheck_days: 0 }))[0]).toBe(atTarget);
    expect((await spent({ recheck_days: 90 }))[0]).toBe(1);
  });

  it('drops looks that are too old to decide anything', async () => {
    await factory.sync({ ...choice, modify_default: false });
    await wait(91);
    await factory.sync({ include_fields: ['gitCloneTag'] });
    let looks: unknown;
    await factory.store.update(
      'looks/images.json',
      (body) => void (looks = JSON.parse(Buffer.from(body ?? []).toString())),
    );
    expect(Object.keys((looks as { images: object }).images)).toEqual([
      factory.copyOf('harness/drone-git:1.7.25-rootless'),
    ]);
  });

  it('counts looks noted by another version as none', async () => {
    await factory.sync(choice);
    await factory.store.update('looks/images.json', () => Buffer.from('{"version":2,"images":7}'));
    lose(below().blobs[0] ?? '');
    expect(imageStatuses(await factory.sync(choice))).toEqual({ [image]: 'repaired' });
  });

  it('mends an image before it switches to it, whenever the last look was', async () => {
    await factory.sync({ ...choice, modify_default: false });
    lose(below().blobs[0] ?? '', below().children[1] ?? '');
    const report = await factory.sync(choice);
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { repaired: 1 } });
    expect(factory.overrides()).toHaveProperty('cacheS3Tag', factory.copyOf(image));
  });

  it('mends every image of a repository that lost a piece they share', async () => {
    const other = 'plugins/cache:1.10.13';
    const base = Buffer.from('shared base');
    for (const [each, own] of [
      [image, 'a'],
      [other, 'b'],
    ] as const)
      factory.source.storage.putImage(name, each.slice(-7), storedImage([base, Buffer.from(own)]));
    await factory.sync({ ...choice, extra_images: [other] });
    const shared = below().blobs.find(
      (digest) => below('1.10.13').blobs.includes(digest) && digest !== below().blobs[0],
    );
    const bytes = lose(shared ?? '');
    const report = await factory.sync({ ...now, extra_images: [other] });
    expect(imageStatuses(report)).toEqual({ [image]: 'repaired', [other]: 'repaired' });
    // The blob crosses once.
    expect(report.totals.bytesTransferred).toBe(bytes);
  });

  it.each([
    ['lets children be pushed only before their index', { childrenMustExist: true }],
    ['refuses to push an immutable tag again', { immutableTags: {} }],
    ['returns 403 for what is missing', { forbiddenForMissing: true, jfrogVersion: '7.111' }],
    ['does not mount blobs', { mount: 'no' as const }],
  ])('mends at a registry that %s', async (_, quirks) => {
    await start({ target: { quirks } });
    await factory.sync(choice);
    lose(...below().children, below().blobs[0] ?? '');
    expect(imageStatuses(await factory.sync(now))).toEqual({ [image]: 'repaired' });
    expect(isWhole()).toBe(true);
  });

  it('repairs where HEAD of a blob is refused, by the start of its download', async () => {
    await factory.sync(choice);
    factory.target.faults.add({ match: { method: 'HEAD', path: /blobs/, times: 1000 }, act: { status: 403 } });
    const bytes = lose(below().blobs[0] ?? '');
    expect(await factory.sync(now)).toMatchObject({ images: [{ status: 'repaired', bytesTransferred: bytes }] });
  });

  it('mends an index within an index whose manifests nobody remembers', async () => {
    const leaf = storedImage([Buffer.from('leaf')]);
    const inner = indexOf([leaf]);
    const nested = indexOf([inner, storedImage([Buffer.from('beside')])]);
    factory.source.storage.putImage(name, tag, nested);
    await factory.sync(choice);
    const bytes = lose(inner.digest, leaf.digest, ...leaf.blobs.keys());
    for (const key of await factory.store.list('manifests/')) await factory.store.put(key, Buffer.from('damaged'));
    expect(await factory.sync(now)).toMatchObject({ images: [{ status: 'repaired', bytesTransferred: bytes }] });
    expect([factory.arrived(image), isWhole()]).toEqual([nested.digest, true]);
    expect((await factory.run('verify', choice)).status).toBe('SUCCEEDED');
  });

  it('mends an image that platforms were left out of', async () => {
    const input = { ...now, platforms: ['linux/amd64'] };
    await factory.sync(input);
    const before = factory.arrived(image);
    expect(before).not.toBe(factory.official(image));
    lose(below().children[0] ?? '', below().blobs[0] ?? '');
    for (const key of await factory.store.list('manifests/')) await factory.store.put(key, Buffer.from('damaged'));
    expect(imageStatuses(await factory.sync(input))).toEqual({ [image]: 'repaired' });
    expect([factory.arrived(image), isWhole()]).toEqual([before, true]);
  });

  it('looks at an image whose referrers it copies, too', async () => {
    const input = { ...now, referrers: 'all' };
    await factory.sync(input);
    const bytes = lose(below().blobs[0] ?? '');
    expect(await factory.sync(input)).toMatchObject({ images: [{ status: 'repaired', bytesTransferred: bytes }] });
    expect(imageStatuses(await factory.sync(input))).toEqual({ [image]: 'skipped' });
  });

  it('mends an image that soaks under its digest', async () => {
    const latest = 'harness/sto-plugin:latest';
    const soak = { include_fields: ['securityTag'], soak_days: 7, recheck_days: 0 };
    await factory.sync({ include_fields: ['securityTag'] });
    const used = factory.arrived(latest) ?? '';
    factory.publish([latest], { revision: 1 });
    await factory.sync(soak);
    const repo = 'mirror/harness/sto-plugin';
    const soaking = factory.official(latest) ?? '';
    const { storage } = factory.target;
    // What soaks, and what Harness uses meanwhile: the tag at the source has moved on from that.
    const lost = [below(soaking, repo).blobs[0] ?? '', below(used, repo).blobs[0] ?? ''];
    for (const digest of lost) storage.deleteBlob(repo, digest);
    const report = await factory.sync(soak);
    expect(report.images.map(({ target, status, digest }) => [target, status, digest])).toEqual([
      [`${factory.registry}/harness/sto-plugin@${soaking}`, 'repaired', soaking],
      [factory.copyOf(latest), 'repaired', used],
    ]);
    expect(lost.map((digest) => storage.blob(repo, digest) !== undefined)).toEqual([true, true]);
    expect(factory.arrived(latest)).toBe(used);
  });

  it('mends a version that Harness still uses and the run does not plan', async () => {
    await factory.sync(choice);
    const other = { include_fields: ['gitCloneTag'], recheck_days: 0 };
    lose(below().blobs[0] ?? '');
    const report = await factory.sync(other);
    expect(imageStatuses(report)).toMatchObject({ [image]: 'repaired' });
    expect(isWhole()).toBe(true);
    expect(Object.keys(imageStatuses(await factory.sync(other)))).not.toContain(image);
  });

  it('restores a used version whose tag is gone, by its recorded digest', async () => {
    await factory.sync(choice);
    const before = factory.arrived(image) ?? '';
    factory.target.storage.deleteManifest(repository, before);
    const report = await factory.sync({ include_fields: ['gitCloneTag'], recheck_days: 0 });
    expect(imageStatuses(report)).toMatchObject({ [image]: 'repaired' });
    expect(factory.arrived(image)).toBe(before);
  });

  it('warns of a used version that no source has, and switches the others', async () => {
    await factory.sync(choice);
    const lost = below().blobs[0] ?? '';
    lose(lost);
    factory.source.storage.deleteBlob(name, lost);
    const report = await factory.sync({ include_fields: ['gitCloneTag'], recheck_days: 0 });
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { failed: 1 } });
    expect(report.warnings).toContainEqual(
      expect.stringMatching(new RegExp(`^Harness uses .*lacks blob ${lost}; no source has all of these pieces`)),
    );
    expect(factory.overrides()).toHaveProperty('gitCloneTag');
  });

  it('does not report a broken version that the run replaces', async () => {
    await factory.sync(choice);
    const lost = below().blobs[0] ?? '';
    lose(lost);
    factory.source.storage.deleteBlob(name, lost);
    factory.publish(['plugins/cache:1.10.13']);
    for (const field of ['cacheS3Tag', 'cacheGCSTag'])
      factory.harness.setDefault('ci', 'K8', field, 'plugins/cache:1.10.13');
    factory.source.storage.deleteBlob(name, lost);
    const report = await factory.sync({ ...now, include_fields: ['cache*'] });
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 1, failed: 0 } });
    expect(ownWarnings(report)).toEqual([]);
  });

  it('warns when it cannot look, copies what is new, and looks again in the next run', async () => {
    await factory.sync(choice);
    lose(below().blobs[0] ?? '');
    factory.target.faults.add({
      match: { method: 'HEAD', path: /plugins\/cache\/blobs/, times: 99 },
      act: { status: 503 },
    });
    await wait(7);
    const report = await factory.sync({ include_fields: ['cache*', 'gitCloneTag'] });
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 1 } });
    expect(ownWarnings(report)).toEqual([
      expect.stringMatching(/^127\.0\.0\.1:\d+\/mirror\/plugins\/cache:1\.10\.12 could not be checked: .*503/),
    ]);
    factory.target.faults.clear();
    expect(imageStatuses(await factory.sync(choice))).toEqual({ [image]: 'repaired' });
  });

  it('fails an image that no source has with ImagesIncomplete, and lists the missing pieces', async () => {
    await factory.sync(choice);
    const lost = below().blobs[0] ?? '';
    lose(lost);
    factory.source.storage.deleteBlob(name, lost);
    const report = await factory.sync(now);
    expect(report).toMatchObject({
      status: 'FAILED',
      error: { name: 'ImagesFailed' },
      images: [
        {
          status: 'failed',
          error: { name: 'ImagesIncomplete', message: expect.stringContaining(`lacks blob ${lost}; no source has`) },
        },
      ],
    });
  });

  it('copies from the next source when the first has lost the piece, too', async () => {
    await factory.sync(choice);
    const lost = below().blobs[0] ?? '';
    const official = factory.source.storage.blob(name, lost);
    factory.publish(['backup/plugins/cache:1.10.12']);
    copyStored('backup/plugins/cache');
    lose(lost);
    factory.source.storage.deleteBlob(name, lost);
    factory.source.storage.putBlob('backup/plugins/cache', [...(official?.chunks ?? [])]);
    const sources = [factory.source.host, `${factory.source.host}/backup`];
    const report = await factory.sync({ ...now, source_registry: sources });
    expect(report.images).toMatchObject([{ status: 'repaired', source: `${sources[1]}/${image}` }]);
    expect(isWhole()).toBe(true);
  });

  it('names the unreachable source and the missing pieces', async () => {
    await factory.sync(choice);
    const lost = below().blobs[0] ?? '';
    lose(lost);
    factory.source.faults.add({ match: { method: 'GET', path: /blobs/, times: 99 }, act: { status: 503 } });
    const [row] = (await factory.sync(now)).images;
    expect(row?.error?.name).toBe('RegistryFailed');
    expect(row?.error?.message).toMatch(new RegExp(`lacks blob ${lost}, which could not be copied again: .*503`));
  });

  it('does not report a repair that the registry accepted but did not keep', async () => {
    await factory.sync(choice);
    const lost = below().blobs[0] ?? '';
    lose(lost);
    factory.store.onPut = (key) => void (key.endsWith('/plan.json') && forgetful(lost));
    const [row] = (await factory.sync(now)).images;
    expect(row).toMatchObject({ status: 'failed', error: { name: 'ImagesIncomplete' } });
    expect(row?.error?.message).toMatch(new RegExp(`still lacks blob ${lost}`));
  });

  it("makes nobody's image its own by mending it", async () => {
    const [theirs] = factory.publish([image]);
    factory.target.storage.putImage(repository, tag, theirs as Image);
    lose(below().blobs[0] ?? '');
    expect(imageStatuses(await factory.sync(choice))).toEqual({ [image]: 'repaired' });
    expect(await factory.store.get('inventory.json')).toBeUndefined();
  });

  it('continues a repair in the next call', async () => {
    await factory.sync(choice);
    lose(...below().blobs);
    const { waves } = await factory.task(plan, { runId: 'run-1', input: now });
    const event = { runId: 'run-1', image: waves[0]?.[0] as number };
    expect(await factory.task(copy, event)).toEqual({ status: 'repaired', waitSeconds: 0 });
    expect(await factory.task(copy, event)).toEqual({ status: 'repaired', waitSeconds: 0 });
    expect(isWhole()).toBe(true);
  });
});

describe('plan', () => {
  it('shows what sync would mend, and mends nothing', async () => {
    await factory.sync(choice);
    const lost = below().blobs[0] ?? '';
    const bytes = lose(lost);
    factory.target.requests.length = 0;
    const report: Report = await factory.run('plan', now);
    expect(report).toMatchObject({
      status: 'SUCCEEDED',
      images: [{ image, status: 'planned', bytesTransferred: bytes }],
      incomplete: [{ reference: factory.copyOf(image), missing: [{ kind: 'blob', digest: lost }] }],
    });
    expect(requests('PUT')).toEqual([]);
    expect(imageStatuses(await factory.sync(now))).toEqual({ [image]: 'repaired' });
  });

  it('looks no further than sync would', async () => {
    await factory.sync(choice);
    lose(below().blobs[0] ?? '');
    expect(imageStatuses(await factory.run('plan', choice))).toEqual({ [image]: 'skipped' });
    const { runId } = await factory.run('plan', now);
    expect((await factory.document<Plan>(`runs/${runId}/plan.json`)).images[0]?.missing).toHaveLength(1);
  });
});

describe('an image that BUILD_PUSH_TEMPLATE made', () => {
  const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:add-our-ca';
  const official = storedImage([Buffer.from('official')]);

  beforeEach(async () => {
    const template = (): Template => ({
      async call(_, input) {
        const { target } = input as { target: string };
        const made = indexOf([storedImage([Buffer.from('official'), Buffer.from(`our CA for ${target}`)])]);
        factory.target.storage.putImage(repository, tag, made);
        return { output: { digest: made.digest } };
      },
    });
    await start({ environment: { BUILD_PUSH_TEMPLATE: arn }, template });
    factory.source.storage.putImage(name, tag, official);
    await factory.sync(choice);
  });

  it('fails a built image with pieces that no source has, and the hint explains how to build it again', async () => {
    lose(below().blobs.at(-1) ?? '');
    const [row] = (await factory.sync(now)).images;
    expect(row?.error).toMatchObject({
      name: 'ImagesIncomplete',
      hint: expect.stringContaining('BUILD_PUSH_TEMPLATE builds the image again'),
    });
    factory.target.storage.deleteTag(repository, tag);
    expect((await factory.sync(now)).status).toBe('SUCCEEDED');
    expect(isWhole()).toBe(true);
  });

  it('repairs a built image that lacks a layer of the official one', async () => {
    const before = factory.arrived(image);
    lose([...official.blobs.keys()].at(-1) ?? '');
    expect(imageStatuses(await factory.sync(now))).toEqual({ [image]: 'repaired' });
    expect([factory.arrived(image), isWhole()]).toEqual([before, true]);
  });
});

/** Puts the image of the source into another of its repositories. */
function copyStored(to: string): void {
  const { storage } = factory.source;
  for (const { mediaType, bytes, digest } of storage.manifests(name)) storage.putManifest(to, mediaType, bytes, digest);
  for (const digest of storage.blobs(name)) storage.linkBlob(to, digest);
  storage.tag(to, tag, storage.resolve(name, tag) ?? '');
}

/** The target loses a blob whenever a manifest arrives. */
function forgetful(digest: string): void {
  const { storage } = factory.target;
  const put = storage.putManifest.bind(storage);
  storage.putManifest = (...manifest) => {
    storage.deleteBlob(repository, digest);
    return put(...manifest);
  };
}
