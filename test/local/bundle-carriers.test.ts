import { open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { startBundlesBucket } from '../aws/bundles-bucket.ts';
import { region } from '../aws/moto-server.ts';
import { available } from '../real-parts.ts';
import { type CommandResult, startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
beforeEach(async () => {
  setting = await startSetting();
});
afterEach(() => setting.close());

const reportOf = ({ stdout }: CommandResult) => JSON.parse(stdout) as Report;
const pathOf = (name: string) => join(setting.folder, name);
/** These run the command where its process is not the point. */
const outside = (...args: string[]) => setting.hosted(args, { REGISTRY_NAME: '' });
const inside = (...args: string[]) => setting.hosted(args, { SOURCE_REGISTRY: 'unreachable.invalid' });
const blobsRead = () =>
  setting.source.requests.filter(({ method, path }) => method === 'GET' && path.includes('/blobs/')).length;

/** Exports to a place, checks the bundle, imports it, and expects that Harness uses its images. */
async function carry(place: string, options: Record<string, string> = {}): Promise<void> {
  const exported = await setting.hosted(['export', '--to', place], { REGISTRY_NAME: '', ...options });
  expect(exported).toMatchObject({ code: 0 });
  const there = { SOURCE_REGISTRY: 'unreachable.invalid', ...options };
  expect(await setting.hosted(['verify', '--from', place], there)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('(the bundle is complete)'),
  });
  const imported = reportOf(await setting.hosted(['import', '--from', place, '--json'], there));
  expect(imported).toMatchObject({ status: 'SUCCEEDED', harness: 'switched', totals: { copied: 4 } });
  expect(Object.keys(setting.overrides())).toHaveLength(5);
}

describe('a bundle in a folder', () => {
  it('a folder is exported, checked and imported', async () => {
    await carry('layout');
    expect(await readdir(pathOf('layout'))).toEqual(['blobs', 'bundle.json', 'index.json', 'oci-layout']);
  });

  it('a second export to a folder reads no blob, and makes two requests for each image, when nothing is new', async () => {
    expect(await outside('export', '--to', 'layout')).toMatchObject({ code: 0 });
    const document = await readFile(pathOf('layout/bundle.json'));
    const [requests, blobs] = [setting.source.requests.length, blobsRead()];
    expect(blobs).toBeGreaterThan(0);
    expect(await outside('export', '--to', 'layout')).toMatchObject({ code: 0 });
    expect(blobsRead()).toBe(blobs);
    expect(setting.source.requests.length - requests).toBeLessThanOrEqual(2 * 4);
    expect(await readFile(pathOf('layout/bundle.json'))).toEqual(document);
  });

  it('a second export to a folder reads only what is new, and deletes what nothing needs any longer', async () => {
    expect(await outside('export', '--to', 'layout')).toMatchObject({ code: 0 });
    const blobs = blobsRead();
    pushSamples(setting.source, ['plugins/cache:1.11.0'], { layerBytes: 2_000 });
    for (const field of ['cacheGCSTag', 'cacheS3Tag'])
      setting.harness.setDefault('ci', 'K8', field, 'plugins/cache:1.11.0');
    const before = await readdir(pathOf('layout/blobs/sha256'));
    expect(await outside('export', '--to', 'layout')).toMatchObject({ code: 0 });
    const after = await readdir(pathOf('layout/blobs/sha256'));
    expect(blobsRead() - blobs).toBeLessThan(blobs);
    expect(before.filter((name) => !after.includes(name))).not.toEqual([]);
    expect(await inside('verify', '--from', 'layout')).toMatchObject({ code: 0 });
  });

  it('verify names a blob of a folder that was changed, and one that is missing', async () => {
    expect(await outside('export', '--to', 'layout')).toMatchObject({ code: 0 });
    const blobs = pathOf('layout/blobs/sha256');
    const sizes = await Promise.all(
      (await readdir(blobs)).map(async (name) => ({ name, size: (await stat(join(blobs, name))).size })),
    );
    const [changed, missing] = sizes.toSorted((a, b) => b.size - a.size);
    const bytes = await readFile(join(blobs, changed?.name ?? ''));
    await writeFile(join(blobs, changed?.name ?? ''), bytes.fill(0, 0, 1));
    await rm(join(blobs, missing?.name ?? ''));
    const { code, stdout } = await inside('verify', '--from', 'layout');
    expect(code).toBe(1);
    expect(stdout).toContain(`blobs/sha256/${changed?.name}: its bytes have another digest`);
    expect(stdout).toContain(`blobs/sha256/${missing?.name}: it is missing`);
  });

  it('a folder cannot be cut into parts', async () => {
    const result = await outside('export', '--to', 'layout', '--part-size', '1MiB');
    expect(result).toMatchObject({ code: 2, stdout: expect.stringContaining('--part-size is for a file NAME.tar') });
    await expect(readdir(pathOf('layout'))).rejects.toThrow('ENOENT');
  });
});

describe('a bundle in a tar', () => {
  it.each([
    ['verify', '--from'],
    ['import', '--from'],
    ['export', '--to'],
  ])('%s %s refuses the name of one part, and tells that of the bundle', async (action, option) => {
    const result = await outside(action, option, 'h.tar.001');
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('"h.tar.001"') });
    expect(result.stderr).toContain('it is one part of a bundle: name the bundle without the number, NAME.tar');
    expect(await readdir(setting.folder)).not.toContain('h.tar.001');
  });

  it('an export prints its size and the bytes of each platform before the first byte is read', async () => {
    let blobs: number | undefined;
    const when = { printed: /Bundle harness\.tar: .*linux\/amd64/, act: () => (blobs = blobsRead()) };
    const result = await setting.hosted(['export', '--to', 'harness.tar'], { REGISTRY_NAME: '' }, when);
    expect(result).toMatchObject({ code: 0 });
    const lines = result.stderr.split('\n');
    const sizes = lines.findIndex((line) =>
      /^Bundle harness\.tar: [\d.]+ kB \(.*linux\/amd64 [\d.]+ kB.*; platforms share some\)$/.test(line),
    );
    const begun = lines.findIndex((line) => line.startsWith('copying harness.tar'));
    expect(sizes).toBeGreaterThanOrEqual(0);
    expect(begun).toBeGreaterThan(sizes);
    expect(blobs).toBeDefined();
  });
});

describe('a bundle in a stream', () => {
  it.each([['--input'], ['--images']])('no error gets into the stream, not even as JSON (%s)', async (option) => {
    const result = await outside('export', '--to', '-', '--json', option, 'missing');
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(JSON.parse(result.stderr)).toMatchObject({ status: 'FAILED', error: { name: 'InvalidInput' } });
  });

  it('a stream comes with one sentence that it has no parts and cannot be resumed', async () => {
    const file = await open(pathOf('streamed.tar'), 'w');
    const result = await setting
      .factory(['export', '--to', '-'], {
        environment: { REGISTRY_NAME: '' },
        stdout: file.fd,
      })
      .finally(() => file.close());
    expect(result.code).toBe(0);
    expect(
      result.stderr.match(/a stream has no parts, and an interrupted export of it cannot be resumed/g),
    ).toHaveLength(1);
    expect(await inside('verify', '--from', 'streamed.tar')).toMatchObject({ code: 0 });
  });
});

(available('moto_server') ? describe : describe.skip)('a bundle in a bucket', () => {
  let s3: Awaited<ReturnType<typeof startBundlesBucket>>;
  let environment: Record<string, string>;
  beforeAll(async () => {
    s3 = await startBundlesBucket();
    environment = {
      AWS_ENDPOINT_URL: s3.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
  }, 60_000);
  afterAll(() => s3?.close());

  it('an object is exported, checked and imported, with its sums and its document beside it', async () => {
    await carry('s3://bundles/carried.tar', environment);
    const sums = (await s3.stored('carried.sha256')).toString();
    for (const name of ['carried.tar', 'carried.bundle.json', 'carried.sbom.cdx.json'])
      expect(sums).toContain(`  ${name}\n`);
    // Nothing of it was written to the disk.
    expect((await readdir(setting.folder)).filter((name) => name.startsWith('carried'))).toEqual([]);
  }, 60_000);

  it('a second export of the same images leaves an object alone', async () => {
    const run = (...args: string[]) => setting.hosted(args, { REGISTRY_NAME: '', ...environment });
    const place = ['export', '--to', 's3://bundles/twice.tar'];
    expect(await run(...place)).toMatchObject({ code: 0 });
    const [bytes, blobs] = [await s3.stored('twice.tar'), blobsRead()];
    expect(await run(...place)).toMatchObject({ code: 0, stdout: expect.stringContaining('4 images exported') });
    expect(blobsRead()).toBe(blobs);
    expect((await s3.stored('twice.tar')).equals(bytes)).toBe(true);
    expect(await s3.uploads('twice.tar')).toEqual([]);
    expect(await run('verify', '--from', 's3://bundles/twice.tar')).toMatchObject({ code: 0 });

    pushSamples(setting.source, ['harness/ci-addon:1.18.22'], { layerBytes: 2_000, revision: 2 });
    const other = await run(...place);
    expect(other).toMatchObject({ code: 1, stdout: expect.stringContaining('a bundle never replaces another') });
    expect((await s3.stored('twice.tar')).equals(bytes)).toBe(true);
  }, 60_000);

  it('an object gets a signature, which is checked', async () => {
    const { privateKey, publicKey } = await keys();
    await writeFile(pathOf('key.pem'), privateKey);
    await writeFile(pathOf('pub.pem'), publicKey);
    const run = (...args: string[]) => setting.hosted(args, { REGISTRY_NAME: '', ...environment });
    const place = 's3://bundles/signed.tar';
    const check = () => run('verify', '--from', place, '--verify-key', 'pub.pem');
    expect(await run('export', '--to', place)).toMatchObject({ code: 0 });
    expect(await check()).toMatchObject({ code: 1, stdout: expect.stringContaining('SignatureInvalid') });
    // The complete object stays, and gets its signature.
    const blobs = blobsRead();
    expect(await run('export', '--to', place, '--sign', 'key.pem')).toMatchObject({ code: 0 });
    expect(blobsRead()).toBe(blobs);
    expect(await check()).toMatchObject({ code: 0 });
  }, 60_000);
});

async function keys(): Promise<{ privateKey: string; publicKey: string }> {
  const { generateKeyPairSync } = await import('node:crypto');
  return generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}
