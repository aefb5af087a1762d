import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, imageStatuses, k8, startFactory, statuses } from './factory.ts';
import { scriptedTemplate } from './scripted-template.ts';

let factory: Factory;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unscanned-'));
});
afterEach(async () => {
  await factory.close();
  await rm(folder, { recursive: true });
});

const latest = k8['securityTag'] as string;
const cache = k8['cacheS3Tag'] as string;
const scanner = 'arn:aws:lambda:eu-west-1:123456789012:function:scan';
const builder = 'arn:aws:lambda:eu-west-1:123456789012:function:build';

interface Call {
  input: { images: { image: string; target: string; digest: string }[]; image: string; target: string };
}

/** A factory with a scanner that refuses some digests, and runs that wait for it. */
async function scanning(options: Parameters<typeof startFactory>[0] = {}, build?: (call: Call) => unknown) {
  const refused = new Set<string | undefined>();
  const asked: Call['input']['images'] = [];
  const { template } = scriptedTemplate((call: Call & { name: string }) => {
    if (!call.input.images) return build?.(call);
    asked.push(...call.input.images);
    const verdictOf = (digest: string) => (refused.has(digest) ? 'failed' : 'passed');
    return { images: call.input.images.map(({ image, digest }) => ({ image, verdict: verdictOf(digest) })) };
  });
  const environment = { GATHER_SCAN_TEMPLATE: scanner, ...(build && { BUILD_PUSH_TEMPLATE: builder }) };
  factory = await startFactory({ ...options, template, environment });
  const sync = (input: object = {}): Promise<Report> => {
    asked.length = 0;
    return factory.sync({ wait_for_scan: true, include_fields: ['securityTag', 'cacheS3Tag'], ...input });
  };
  return { refused, asked, sync };
}

const rowOf = ({ images }: Report, image = latest) => images.find((row) => row.image === image);
const reasonsOf = ({ config }: Report) => Object.fromEntries(config.map(({ field, reason }) => [field, reason]));
const copies = async () => (await factory.document<{ copies: object }>('inventory.json')).copies;

describe('a tag in use that moves, with wait_for_scan', () => {
  it('keeps its image until the new one has passed its scan', async () => {
    const { refused, asked, sync } = await scanning();
    await sync();
    const before = factory.arrived(latest);
    factory.publish([latest], { revision: 1 });
    const moved = factory.official(latest);
    refused.add(moved);
    const failed = await sync();
    expect(failed).toMatchObject({ status: 'FAILED', harness: 'unchanged', error: { name: 'ImagesFailed' } });
    const stored = factory.copyOf(latest).replace(':latest', `@${moved}`);
    expect(asked).toEqual([{ image: latest, target: stored, digest: moved }]);
    expect(rowOf(failed)).toMatchObject({ status: 'failed', target: stored, error: { name: 'ScanFailed' } });
    expect(factory.arrived(latest)).toBe(before);
    expect(await copies()).toMatchObject({ [factory.copyOf(latest)]: before, [stored]: moved });
    refused.clear();
    const passed = await sync();
    expect(passed.status).toBe('SUCCEEDED');
    expect(reasonsOf(passed)['securityTag']).toBe(`${latest} has a new image; the tag gets it after its scan`);
    expect(rowOf(passed)).toMatchObject({ target: factory.copyOf(latest), scan: { status: 'passed' } });
    expect(rowOf(passed)).not.toHaveProperty('tagged');
    expect(factory.arrived(latest)).toBe(moved);
    expect(await copies()).toHaveProperty([factory.copyOf(latest)], moved);
    expect(imageStatuses(await sync())[latest]).toBe('skipped');
    expect(asked).toEqual([]);
  });

  it('keeps its image when another fails, and gets the new one with update-succeeded', async () => {
    const { refused, sync } = await scanning();
    await sync();
    const before = factory.arrived(latest);
    factory.publish([latest], { revision: 1 });
    factory.publish(['plugins/cache:2']);
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', 'plugins/cache:2');
    refused.add(factory.official('plugins/cache:2'));
    expect(await sync()).toMatchObject({ status: 'FAILED', harness: 'unchanged' });
    expect(factory.arrived(latest)).toBe(before);
    expect((await sync({ on_partial_failure: 'update-succeeded' })).status).toBe('SUCCEEDED');
    expect(factory.arrived(latest)).toBe(factory.official(latest));
  });

  it('keeps its image when the switch of another field fails', async () => {
    const { sync } = await scanning();
    await sync();
    const before = factory.arrived(latest);
    factory.publish([latest], { revision: 1 });
    factory.publish(['plugins/cache:2']);
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', 'plugins/cache:2');
    factory.store.onPut = (key) => {
      if (key.endsWith('/config.json')) factory.target.storage.deleteTag('mirror/plugins/cache', '2');
    };
    expect(await sync()).toMatchObject({ status: 'FAILED', harness: 'rolled-back' });
    expect(factory.arrived(latest)).toBe(before);
  });

  it('moves before a field is switched to it, in the same run', async () => {
    const { asked, sync } = await scanning();
    await sync({ modify_default: false });
    factory.publish([latest], { revision: 1 });
    const report = await sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(statuses(report)['ci K8 securityTag']).toBe('updated');
    expect(asked.map(({ image }) => image)).toContain(latest);
    expect(factory.arrived(latest)).toBe(factory.official(latest));
  });

  it('waits for the scan at the platforms that the run chooses, and where the tag was deleted', async () => {
    const { refused, asked, sync } = await scanning({ samples: {} });
    await sync();
    const before = factory.arrived(cache);
    const report = await sync({ platforms: ['linux/amd64'] });
    expect(asked.map(({ image }) => image).toSorted()).toEqual([latest, cache]);
    expect(factory.arrived(cache)).toBe(rowOf(report, cache)?.digest);
    expect(factory.arrived(cache)).not.toBe(before);
    factory.target.storage.deleteTag('mirror/harness/sto-plugin', 'latest');
    refused.add(factory.official(latest));
    expect((await sync()).error?.name).toBe('ImagesFailed');
    expect(factory.arrived(latest)).toBeUndefined();
  });

  it('stays with a warning when the registry refuses the move, and ends a run that switches to it', async () => {
    const { sync } = await scanning();
    await sync({ modify_default: false });
    factory.target.quirks.immutableTags = {};
    factory.publish([latest], { revision: 1 });
    const kept = await sync({ modify_default: false });
    expect(kept.status).toBe('SUCCEEDED');
    expect(kept.warnings?.join()).toContain(`${latest}: the tag could not be moved to ${factory.official(latest)}`);
    expect(await sync()).toMatchObject({ status: 'FAILED', error: { name: 'ImagesIncomplete' }, harness: 'unchanged' });
  });

  it('moves at once without wait_for_scan', async () => {
    const { asked, sync } = await scanning();
    await sync();
    factory.publish([latest], { revision: 1 });
    await sync({ wait_for_scan: false });
    expect(asked).toEqual([]);
    expect(factory.arrived(latest)).toBe(factory.official(latest));
  });

  /** Builds an image of its own with each call, and pushes it. */
  const build = (target: string, number: number) => {
    const image = storedImage([Buffer.from(`build ${number}`)]);
    const [repository = '', tag = ''] = target.slice(target.indexOf('/') + 1).split(':');
    factory.target.storage.putImage(repository, tag, image);
    return image.digest;
  };

  it('ends a run that would switch to a built image when the registry refuses the move', async () => {
    let builds = 0;
    const { sync } = await scanning({}, ({ input: { target } }) => ({ digest: build(target, ++builds) }));
    await sync({ modify_default: false });
    const before = factory.arrived(latest);
    factory.target.quirks.immutableTags = {};
    factory.publish([latest], { revision: 1 });
    expect(await sync()).toMatchObject({ status: 'FAILED', error: { name: 'ImagesIncomplete' }, harness: 'unchanged' });
    expect(factory.arrived(latest)).toBe(before);
    expect(await copies()).toHaveProperty([`${factory.copyOf(latest)}.unscanned`]);
  });

  it('keeps its image while a template builds the new one under another tag', async () => {
    let builds = 0;
    const targets: string[] = [];
    const { refused, sync } = await scanning({}, ({ input: { target } }) => {
      targets.push(target);
      const digest = build(target, ++builds);
      if (builds > 2) refused.add(digest);
      return { digest };
    });
    await sync();
    const before = factory.arrived(latest);
    factory.publish([latest], { revision: 1 });
    targets.length = 0;
    expect((await sync()).error?.name).toBe('ImagesFailed');
    expect(targets).toEqual([`${factory.copyOf(latest)}.unscanned`]);
    expect(factory.arrived(latest)).toBe(before);
    builds = 0;
    const report = await sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.arrived(latest)).toBe(rowOf(report)?.digest);
    expect(factory.arrived(latest)).not.toBe(before);
    expect(imageStatuses(await sync())[latest]).toBe('skipped');
  });

  it('keeps its image while a version that has soaked waits for its scan', async () => {
    const { refused, asked, sync } = await scanning();
    const choice = { include_fields: ['securityTag'], soak_days: 7 };
    await sync({ ...choice, soak_days: 0 });
    const before = factory.arrived(latest);
    const publish = (revision: number) => {
      factory.publish([latest], { revision });
      return factory.official(latest);
    };
    const ripe = publish(1);
    await sync(choice);
    const seen = Buffer.from((await factory.store.get('first-seen.json')) ?? []).toString();
    const aWeekAgo = new Date(Date.now() - 8 * 86_400_000).toISOString();
    await factory.store.put('first-seen.json', Buffer.from(seen.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, aWeekAgo)));
    publish(2);
    refused.add(ripe);
    expect((await sync(choice)).error?.name).toBe('ImagesFailed');
    expect(asked.map(({ digest }) => digest)).toEqual([ripe]);
    expect(factory.arrived(latest)).toBe(before);
    refused.clear();
    expect((await sync(choice)).status).toBe('SUCCEEDED');
    expect(factory.arrived(latest)).toBe(ripe);
  });

  it('keeps its image when an import brings one that fails its scan', async () => {
    const { refused, sync } = await scanning({ samples: {} });
    const bundle = join(folder, 'harness.tar');
    const choice = { include_fields: ['securityTag'], bundle };
    await sync();
    const before = factory.arrived(latest);
    factory.publish([latest], { revision: 1 });
    refused.add(factory.official(latest));
    await factory.run('export', choice);
    const bring = () => factory.run('import', { ...choice, wait_for_scan: true });
    expect(await bring()).toMatchObject({ status: 'FAILED', error: { name: 'ImagesFailed' } });
    expect(factory.arrived(latest)).toBe(before);
    refused.clear();
    expect((await bring()).error).toBeUndefined();
    expect(factory.arrived(latest)).toBe(factory.official(latest));
  });
});
