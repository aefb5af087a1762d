import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sumOf } from '../../functions/bundle/file-sums.ts';
import type { Report } from '../../functions/state/documents.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
let parts: Map<string, string>;
const environment = { REGISTRY_NAME: '' };
const image = 'harness/ci-addon:1.18.22';
const pathOf = (name: string) => join(setting.folder, name);
/** Runs the command where its process is not the point. */
const hosted = (...args: string[]) => setting.hosted(args, environment);
const again = (...args: string[]) => hosted('export', '--plan', 'cut.bundle.json', '--to', 'cut.tar', ...args);

/** Returns the sums of the files of the bundle, by their names. */
async function files(): Promise<Map<string, string>> {
  const names = (await readdir(setting.folder)).filter((name) => name.startsWith('cut.')).toSorted();
  return new Map(await Promise.all(names.map(async (name) => [name, await sumAt(name)] as const)));
}

async function sumAt(name: string): Promise<string> {
  return sumOf(await readFile(pathOf(name)));
}

async function damage(name: string): Promise<void> {
  const bytes = await readFile(pathOf(name));
  bytes[1_000] = (bytes[1_000] ?? 0) ^ 1;
  await writeFile(pathOf(name), bytes);
}

const blobsRead = () =>
  setting.source.requests.filter(({ method, path }) => method === 'GET' && path.includes('/blobs/'));

/** Exports a bundle in parts. */
async function begin(): Promise<void> {
  setting = await startSetting();
  pushSamples(setting.source, [image], { layerBytes: 1_500_000 });
  expect(await hosted('export', '--to', 'cut.tar', '--part-size', '1MiB')).toMatchObject({ code: 0 });
  parts = await files();
  expect(parts.has('cut.tar.004')).toBe(true);
}

describe('export --plan --parts', () => {
  beforeEach(begin);
  afterEach(() => setting.close());

  it('makes a lost part and a damaged part again, byte for byte, and writes nothing else', async () => {
    await rm(pathOf('cut.tar.002'));
    await damage('cut.tar.004');
    setting.harness.requests.length = 0;
    const args = ['export', '--plan', 'cut.bundle.json', '--to', 'cut.tar', '--parts', '4,2,1', '--json'];
    const result = await hosted(...args, '--part-size', '1MiB');
    expect(result).toMatchObject({ code: 0 });
    expect(JSON.parse(result.stdout) as Report).toMatchObject({ status: 'SUCCEEDED', bundle: { parts: [2, 4] } });
    expect(result.stderr).toContain('cut.tar.001 is there, and has its sum: it is left alone');
    expect(result.stderr).toContain('cut.tar.004 is there, and has another sum: it is written again');
    expect(await files()).toEqual(parts);
    const { stdout } = await promisify(execFile)('sha256sum', ['-c', 'cut.sha256'], { cwd: setting.folder });
    expect(stdout).toContain('cut.tar.002: OK');
    expect(stdout).toContain('cut.tar.004: OK');
    // The document says what is in the bundle: Harness is not asked.
    expect(setting.harness.requests).toEqual([]);
  });

  it('learns the size of the parts from those that are there, though one of them is cut off', async () => {
    await rm(pathOf('cut.tar.002'));
    await writeFile(pathOf('cut.tar.003'), 'short');
    const result = await again('--parts', '2,3');
    expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('2 parts written again') });
    expect(await files()).toEqual(parts);
  });

  it('repeats a bundle though the source has newer signatures, images and tags by now', async () => {
    await rm(pathOf('cut.tar.001'));
    pushSamples(setting.source, [image], { layerBytes: 1_500_000, revision: 2 });
    expect(await again('--parts', '1')).toMatchObject({ code: 0 });
    expect(await files()).toEqual(parts);
  });

  it('writes a part to another folder, which it makes, and reads only the blobs that it holds', async () => {
    const all = blobsRead().length;
    const result = await hosted('export', '--plan', 'cut.bundle.json', '--parts', '3', '--to', 'usb/cut.tar');
    expect(result).toMatchObject({ code: 0 });
    expect(await readdir(pathOf('usb'))).toEqual(['cut.tar.003']);
    expect(await sumAt('usb/cut.tar.003')).toBe(parts.get('cut.tar.003'));
    expect(blobsRead().length - all).toBeLessThan(all / 2);
  });

  it('asks for the size of the parts where none is there, and compares parts with nothing where no sums are', async () => {
    await mkdir(pathOf('other'));
    await copyFile(pathOf('cut.bundle.json'), pathOf('other/cut.bundle.json'));
    const other = (...args: string[]) =>
      hosted('export', '--plan', 'other/cut.bundle.json', '--to', 'other/cut.tar', '--parts', '1', ...args);
    expect(await other()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the size of the parts of other/cut.tar is unknown'),
    });
    expect(await other('--part-size', '1MiB')).toMatchObject({ code: 0 });
    expect(await sumAt('other/cut.tar.001')).toBe(parts.get('cut.tar.001'));
    expect(await other('--part-size', '1MiB')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no file of sums tells whether it is right'),
    });
  });

  it('says which image the source no longer has, and writes no part', async () => {
    await rm(pathOf('cut.tar.002'));
    setting.source.storage.deleteRepository('harness/ci-addon');
    const result = await again('--parts', '2');
    expect(result).toMatchObject({ code: 1, stdout: expect.stringContaining('ImagesFailed') });
    expect(result.stdout).toMatch(/harness\/ci-addon:1\.18\.22@sha256:/);
    expect((await files()).has('cut.tar.002')).toBe(false);
  });

  it('says which blob the source no longer has, and gives no part its name', async () => {
    await rm(pathOf('cut.tar.002'));
    const { storage } = setting.source;
    const { manifests = [] } = JSON.parse(
      storage.manifest('harness/ci-addon', '1.18.22')?.bytes.toString() ?? '{}',
    ) as { manifests?: { digest: string }[] };
    const layers = manifests.flatMap(({ digest }) => {
      const { layers = [] } = JSON.parse(storage.manifest('harness/ci-addon', digest)?.bytes.toString() ?? '{}') as {
        layers?: { digest: string }[];
      };
      return layers.map((layer) => layer.digest);
    });
    for (const layer of layers) storage.deleteBlob('harness/ci-addon', layer);
    const result = await again('--parts', '2');
    expect(result.code).toBe(1);
    expect(layers.some((layer) => result.stdout.includes(layer))).toBe(true);
    expect((await files()).has('cut.tar.002')).toBe(false);
  });
});

describe('export --plan --parts with options that do not fit', () => {
  beforeAll(begin);
  afterAll(() => setting.close());

  it.each([
    [
      '--parts without --plan',
      ['--to', 'cut.tar', '--parts', '1'],
      '--parts makes parts of an earlier bundle again, and --plan is missing',
    ],
    [
      '--plan without --parts',
      ['--to', 'cut.tar', '--plan', 'cut.bundle.json'],
      '--plan makes parts of an earlier bundle again, and --parts is missing',
    ],
    [
      'a number outside of the set',
      ['--to', 'cut.tar', '--plan', 'cut.bundle.json', '--parts', '1,99'],
      'cut.tar has no part 99: it has',
    ],
    [
      'a number that is none',
      ['--to', 'cut.tar', '--plan', 'cut.bundle.json', '--parts', '0'],
      'Pass numbers of parts from 1',
    ],
    [
      'standard output',
      ['--to', '-', '--plan', 'cut.bundle.json', '--parts', '1'],
      '--parts writes files NAME.tar.001, NAME.tar.002, …, and --to is -',
    ],
    [
      'a bucket',
      ['--to', 's3://bucket/cut.tar', '--plan', 'cut.bundle.json', '--parts', '1'],
      'and --to is s3://bucket/cut.tar',
    ],
    [
      'a list of images',
      ['--to', 'cut.tar', '--plan', 'cut.bundle.json', '--parts', '1', '--images', 'x'],
      'cannot be used with',
    ],
    [
      'parts of another size',
      ['--to', 'cut.tar', '--plan', 'cut.bundle.json', '--parts', '1', '--part-size', '2MiB'],
      'and the file of sums lists',
    ],
    [
      'a document that is not there',
      ['--to', 'cut.tar', '--plan', 'no.bundle.json', '--parts', '1'],
      '--plan no.bundle.json:',
    ],
  ])('refuse %s, and touch nothing', async (_, args, message) => {
    const result = await hosted('export', ...args);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    expect(await files()).toEqual(parts);
  });
});
