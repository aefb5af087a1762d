import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { planBundleTar } from '../../functions/bundle/bundle-files.ts';
import { parseDocument } from '../../functions/bundle/document.ts';
import type { PlannedEntry } from '../../functions/oci/layout/tar-plan.ts';
import type { Report } from '../../functions/state/documents.ts';
import { startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
let entries: readonly PlannedEntry[];
const pathOf = (name: string) => join(setting.folder, name);
const bundle = () => pathOf('harness.tar');
const environment = { SOURCE_REGISTRY: 'unreachable.invalid' };
/** Runs the command where its process is not the point. */
const hosted = (...args: string[]) => setting.hosted(args, environment);

beforeEach(async () => {
  setting = await startSetting();
  const exported = await setting.hosted(['export', '--to', 'harness.tar'], { REGISTRY_NAME: '' });
  expect(exported).toMatchObject({ code: 0 });
  await setting.source.close();
  entries = planBundleTar(parseDocument(await readFile(pathOf('harness.bundle.json')), 'harness.bundle.json')).entries;
});
afterEach(() => setting.close());

/** Flips one bit of a byte. */
async function flip(at: number): Promise<void> {
  const bytes = await readFile(bundle());
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(bundle(), bytes);
}

async function cut(share: number): Promise<void> {
  await truncate(bundle(), Math.floor((await stat(bundle())).size * share));
}

/** Returns an entry of the bundle by its place among those of its kind. The first blobs are manifests, in the order of their digests. */
function entry(name: string | number): PlannedEntry {
  const found = typeof name === 'number' ? entries[name] : entries.find((each) => each.name === name);
  if (!found) throw new Error(`the bundle has no entry ${name}`);
  return found;
}

const writesOf = (requests: readonly { method: string; path: string }[]) =>
  requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD');

/** Expects that nothing changed in Harness, and that no run asked it to. */
function expectHarnessUntouched(): void {
  expect(setting.overrides()).toEqual({});
  expect(writesOf(setting.harness.requests).filter(({ path }) => path.includes('/execution-config/'))).toEqual([]);
}

describe('a bundle that is damaged before its first layer', () => {
  it.each<[string, () => Promise<void>]>([
    ['a bit of the first header', () => flip(entry('oci-layout').start)],
    ['a bit of oci-layout', () => flip(entry('oci-layout').content)],
    ['a bit of index.json', () => flip(entry('index.json').content + 10)],
    ['a bit of bundle.json', () => flip(entry('bundle.json').content + 100)],
    ['a bit of a manifest', () => flip(entry(3).content + 20)],
    ['the end, by 1 %', () => cut(0.99)],
    ['the end, by 40 %', () => cut(0.6)],
    ['the end, by 98 %', () => cut(0.02)],
    ['every byte', () => truncate(bundle(), 0)],
    ['itself', () => rm(bundle())],
  ])('a bundle that lost %s is refused before anything is written', async (_, damage) => {
    await damage();
    const verified = await hosted('verify', '--from', 'harness.tar');
    expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining('BundleInvalid') });
    const imported = await hosted('import', '--from', 'harness.tar', '--json', '--receipt', 'receipt.json');
    expect(imported.code).toBe(1);
    expect(JSON.parse(imported.stdout) as Report).toMatchObject({
      status: 'FAILED',
      error: { name: 'BundleInvalid', message: expect.stringContaining('harness.tar') },
    });
    expect(writesOf(setting.target.requests)).toEqual([]);
    expect(setting.target.storage.repositories()).toEqual([]);
    expectHarnessUntouched();
    await expect(stat(pathOf('receipt.json'))).rejects.toThrow('ENOENT');
  });
});

describe('a bundle with a damaged layer', () => {
  /** Returns the entries of the layers and configs of one image. */
  async function blobsOf(image: string): Promise<PlannedEntry[]> {
    const { storage } = setting.source;
    const [repository = '', tag = ''] = image.split(':');
    const digests = (reference: string): string[] => {
      const { blobs = [], children = [] } = storage.manifest(repository, reference)?.content ?? {};
      return [...blobs, ...children.flatMap(digests)];
    };
    const names = new Set(digests(tag).map((digest) => `blobs/${digest.replace(':', '/')}`));
    return entries.filter(({ name }) => names.has(name));
  }

  it.each([
    ['content', ({ content }: PlannedEntry) => content],
    ['header', ({ start }: PlannedEntry) => start + 150],
  ])('a flipped bit in the %s of a layer leaves its image without a tag, and Harness alone', async (_, byteOf) => {
    const image = 'harness/sto-plugin:latest';
    const others = new Set(
      (
        await Promise.all(
          ['harness/ci-addon:1.18.22', 'harness/ci-lite-engine:1.18.22', 'plugins/cache:1.10.12'].map(blobsOf),
        )
      ).flat(),
    );
    const own = (await blobsOf(image)).filter((each) => !others.has(each)).toSorted((a, b) => b.size - a.size);
    const [layer] = own;
    if (!layer) throw new Error('the image has no layer of its own');
    await flip(byteOf(layer));

    const verified = await hosted('verify', '--from', 'harness.tar');
    expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining(layer.name) });
    const imported = await hosted('import', '--from', 'harness.tar', '--json', '--receipt', 'receipt.json');
    expect(imported.code).toBe(1);
    const report = JSON.parse(imported.stdout) as Report;
    expect(report).toMatchObject({ status: 'FAILED', totals: { failed: 1 }, harness: 'unchanged' });
    const failed = report.images.find(({ status }) => status === 'failed');
    expect(failed).toMatchObject({
      image,
      error: { name: 'BundleInvalid', message: expect.stringContaining(layer.name) },
    });
    const { storage } = setting.target;
    expect(storage.tags('mirror/harness/sto-plugin')).toEqual([]);
    expect(storage.blobs('mirror/harness/sto-plugin')).not.toContain(
      layer.name.slice('blobs/'.length).replace('/', ':'),
    );
    expectHarnessUntouched();
    await expect(stat(pathOf('receipt.json'))).rejects.toThrow('ENOENT');
  });
});

describe('a bundle whose sums were altered', () => {
  it('verify names sums that were altered', async () => {
    const sums = await readFile(pathOf('harness.sha256'), 'utf8');
    await writeFile(
      pathOf('harness.sha256'),
      sums.replace(/^[0-9a-f]{4}/, (four) => (four === '0000' ? '1111' : '0000')),
    );
    expect(await hosted('verify', '--from', 'harness.tar')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('its sum is not the one in the file of sums'),
    });
  });
});
