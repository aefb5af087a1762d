import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { verifyBundle } from '../../functions/bundle/verify-bundle.ts';
import { writeFolder } from '../../functions/bundle/write-folder.ts';
import { blobPath } from '../../functions/oci/layout/layout.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { count } from '../oci/connect.ts';
import { storedImage } from '../oci/stored-images.ts';
import { folder, planSamples, registry, samples, toBundle, useSamples, withBlobs } from './sample-bundle.ts';

useSamples();
const run = promisify(execFile);

describe('an export to a folder', () => {
  it('holds the images, with sums that sha256sum confirms', async () => {
    const target = join(folder, 'whole');
    const { document, blobsRead } = await writeFolder(await planSamples(), target);
    expect(blobsRead).toBe(document.blobs.length - (await planSamples()).manifests.size);
    expect(await verifyBundle({ folder: target })).toMatchObject({ damages: [], document });
    await run('sha256sum', ['-c', 'whole.sha256'], { cwd: folder });
  });

  it('reads no blob twice, and changes nothing, when it is repeated', async () => {
    const target = join(folder, 'twice');
    const first = await writeFolder(await planSamples(), target);
    registry.requests.length = 0;
    const again = await planSamples({ createdAt: '2027-01-01T00:00:00.000Z' });
    const second = await writeFolder(again, target);
    expect([second.blobsRead, second.document]).toEqual([0, first.document]);
    expect(count(registry, 'GET', /\/blobs\//)).toBe(0);
  });

  it('continues after an interruption', async () => {
    const target = join(folder, 'broken');
    const aborted = new AbortController();
    const onBytes = (bytes: number) => {
      if (bytes > 1_000_000) aborted.abort(new Error('killed'));
    };
    const plan = await planSamples();
    await expect(writeFolder(plan, target, { onBytes, signal: aborted.signal })).rejects.toThrow('killed');
    expect(await readdir(target)).toEqual(['blobs']);
    const { blobsRead } = await writeFolder(plan, target);
    expect(blobsRead).toBeLessThan(plan.blobs.size);
    expect((await verifyBundle({ folder: target })).damages).toEqual([]);
  });

  it('deletes what only the bundle before needed, and nothing else', async () => {
    const target = join(folder, 'fewer');
    const all = await writeFolder(await planSamples(), target);
    await writeFile(join(target, 'notes.txt'), 'mine');
    const fewer = await writeFolder(await planSamples({}, Object.keys(samples).slice(0, 1)), target);
    const files = await readdir(target, { recursive: true, withFileTypes: true });
    const names = files.filter((file) => file.isFile()).map(({ name }) => name);
    expect(names).toHaveLength(fewer.document.blobs.length + 4);
    expect(names).toContain('notes.txt');
    expect(fewer.document.blobs.length).toBeLessThan(all.document.blobs.length);
  });

  it('leaves no sums and no signature of the bundle before when it is interrupted at the end', async () => {
    const target = join(folder, 'replaced');
    await writeFolder(await planSamples(), target, {
      accompany: async () => new Map([['sig' as const, Buffer.from('signature')]]),
    });
    // A folder in its place stops the new index.
    await rm(join(target, 'index.json'));
    await mkdir(join(target, 'index.json'));
    const fewer = await planSamples({}, Object.keys(samples).slice(0, 1));
    await expect(writeFolder(fewer, target)).rejects.toThrow('cannot write the bundle');
    expect((await readdir(folder)).filter((file) => file.startsWith('replaced.'))).toEqual([]);
    await rm(join(target, 'index.json'), { recursive: true });
    await writeFolder(fewer, target);
    await run('sha256sum', ['-c', 'replaced.sha256'], { cwd: folder });
    expect((await verifyBundle({ folder: target })).damages).toEqual([]);
  });

  it('writes a blob, a manifest and a document again whose bytes are wrong, and no other blob', async () => {
    const target = join(folder, 'damaged');
    const plan = await planSamples();
    const { document } = await writeFolder(plan, target);
    const blobs = [...plan.blobs.values()].filter(({ blob }) => blob.size > 0);
    const damaged = [blobs.at(0)?.blob.digest, blobs.at(-1)?.blob.digest, [...plan.manifests.keys()].at(0)];
    for (const file of [...damaged.map((digest) => blobPath(digest as Digest)), 'bundle.json']) {
      const bytes = await readFile(join(target, file));
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 5) ^ 1, bytes.length - 5);
      await writeFile(join(target, file), bytes);
    }
    expect((await writeFolder(plan, target)).blobsRead).toBe(2);
    expect(await verifyBundle({ folder: target })).toMatchObject({ damages: [], document });
    await run('sha256sum', ['-c', 'damaged.sha256'], { cwd: folder });
  });

  it('leaves a bundle.json alone that is not of an image layout', async () => {
    const target = join(folder, 'foreign');
    await mkdir(target);
    await writeFile(join(target, 'bundle.json'), '{"mine": true}');
    await expect(writeFolder(await planSamples(), target)).rejects.toMatchObject({ name: 'BundleInvalid' });
    expect(await readdir(target)).toEqual(['bundle.json']);
  });

  it('writes a blob again that has another size', async () => {
    const target = join(folder, 'short');
    const plan = await planSamples();
    await writeFolder(plan, target);
    const [digest] = [...plan.blobs.keys()];
    await rm(join(target, 'blobs', (digest ?? '').replace(':', '/')));
    expect((await writeFolder(plan, target)).blobsRead).toBe(1);
  });

  it.each([
    ['16 small blobs', 1024, 16],
    // Each holds several buffers.
    ['6 large ones', 1024 * 1024 + 1, 6],
  ])('reads at most %s at once', async (_, size, limit) => {
    const layers = Array.from({ length: 20 }, (__, i) => Buffer.alloc(size, `layer ${i}`));
    registry.storage.putImage('plugins/layers', `${limit}`, storedImage(layers));
    let reading = 0;
    let most = 0;
    const full = Promise.withResolvers<void>();
    const image = await toBundle(`plugins/layers:${limit}`, (source) =>
      withBlobs(source, async function* (blob, options) {
        const isLayer = blob.size === size;
        most = Math.max(most, isLayer ? ++reading : 0);
        if (reading === limit) full.resolve();
        if (isLayer) await full.promise;
        yield* source.blob(blob, options);
        if (isLayer) reading--;
      }),
    );
    await writeFolder(await planSamples({ images: [image] }, []), join(folder, `layers-${limit}`));
    expect(most).toBe(limit);
  });
});
