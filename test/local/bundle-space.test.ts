import { mkdir, mkdtemp, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { planBundleTar } from '../../functions/bundle/bundle-files.ts';
import { fileCarrier } from '../../functions/bundle/file-carrier.ts';
import { FactoryError } from '../../functions/errors.ts';
import { writeFolder } from '../../functions/bundle/write-folder.ts';
import { blobPath } from '../../functions/oci/layout/layout.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { LocalBundles, type LocalBundleOptions } from '../../infra/local/bundles.ts';
import { count } from '../oci/connect.ts';
import { writeTar } from '../../functions/bundle/write-tar.ts';
import { planSamples, registry, useSamples } from '../bundle/sample-bundle.ts';

useSamples();
const writing = { onBytes: () => undefined, onNote: () => undefined };

let disk: string;
beforeEach(async () => {
  disk = await mkdtemp(join(tmpdir(), 'disk-'));
});
afterEach(() => rm(disk, { recursive: true }));

/** Writes the samples where so many bytes are free, and returns the failure. */
async function writeWith(free: number, place: string, options: LocalBundleOptions = {}): Promise<FactoryError> {
  const asked: string[] = [];
  const bundles = new LocalBundles({
    ...options,
    freeBytes: async (folder) => {
      asked.push(folder);
      return free;
    },
  });
  const failure = await bundles.write(await planSamples(), join(disk, place), writing).then(
    () => undefined,
    (error: unknown) => error,
  );
  // The folder of the bundle need not exist: the one above it is on the same disk.
  expect(asked).toEqual([disk]);
  if (!(failure instanceof FactoryError)) throw new Error(`no failure but ${String(failure)}`);
  return failure;
}

describe('a disk that is too small for a bundle', () => {
  it.each([
    ['a tar', 'harness.tar', {}],
    ['a tar in a new folder', 'new/harness.tar', {}],
    ['a tar in parts', 'harness.tar', { partBytes: 5_000_000 }],
    ['a folder', 'harness', {}],
  ])(
    'refuses %s with the bytes that are needed and free, and nothing is written or read',
    async (_, place, options) => {
      const plan = await planSamples();
      const needed = place.endsWith('.tar') ? planBundleTar(plan.document).size : plan.document.totals.bytes;
      registry.requests.length = 0;
      const { name, message, hint } = await writeWith(needed - 1, place, options);
      expect(name).toBe('DiskFull');
      expect(message).toContain(`${join(disk, place)} needs`);
      expect(message).toContain(`(${needed} bytes), and ${disk} has`);
      expect(hint).toContain('Nothing was written.');
      expect(await readdir(disk)).toEqual([]);
      expect(count(registry, 'GET', /\/blobs\//)).toBe(0);
    },
  );

  it('counts what an interrupted export has written already', async () => {
    const plan = await planSamples();
    const carrier = fileCarrier(join(disk, 'harness.tar'));
    let left = 6_000_000;
    const stop = (bytes: number) => {
      if ((left -= bytes) < 0) throw new Error('killed');
    };
    await expect(writeTar(plan, carrier, { onBytes: stop, checkpointBytes: 500_000 })).rejects.toThrow('killed');
    const { size } = planBundleTar(plan.document);
    const bundles = new LocalBundles({ freeBytes: async () => size - 4_000_000 });
    expect(await bundles.write(plan, join(disk, 'harness.tar'), writing)).toMatchObject({ size });
  });

  it.each([
    ['files of others in the folder', 'harness', ['harness/film.mp4', 'harness/blobs/sha256/old']],
    [
      'files with similar names',
      'harness.tar',
      ['harness.tar.bak', 'harness.tar.1.partial', 'harness.tar.sha256.partial'],
    ],
  ])('does not count %s', async (_, place, others) => {
    const path = join(disk, place);
    const plan = await planSamples();
    for (const file of others) {
      await mkdir(dirname(join(disk, file)), { recursive: true });
      await writeFile(join(disk, file), Buffer.alloc(20_000_000));
    }
    const bundles = new LocalBundles({ freeBytes: async () => 1_000_000 });
    await expect(bundles.write(plan, path, writing)).rejects.toMatchObject({ name: 'DiskFull' });
    const free = new LocalBundles({ freeBytes: async () => 20_000_000 });
    await free.write(plan, path, writing);
    for (const file of others) expect((await stat(join(disk, file))).size).toBe(20_000_000);
  });

  it('counts the blobs of the bundle that a folder has, with their sizes', async () => {
    const plan = await planSamples();
    const path = join(disk, 'harness');
    await writeFolder(plan, path);
    const bundles = new LocalBundles({ freeBytes: async () => 0 });
    expect(await bundles.write(plan, path, writing)).toMatchObject({ resumedAt: 0 });
    const [digest] = [...plan.blobs.keys()];
    await truncate(join(path, blobPath(digest as Digest)), 1);
    await expect(bundles.write(plan, path, writing)).rejects.toMatchObject({ name: 'DiskFull' });
  });

  it('counts and deletes what an interrupted export left in parts of another size', async () => {
    const plan = await planSamples();
    const path = join(disk, 'harness.tar');
    const { size } = planBundleTar(plan.document);
    let left = 6_000_000;
    const onBytes = (bytes: number) => {
      if ((left -= bytes) < 0) throw new Error('killed');
    };
    const dying = writeTar(plan, fileCarrier(path, { partBytes: 2_000_000 }), { onBytes, checkpointBytes: 500_000 });
    await expect(dying).rejects.toThrow('killed');
    const bundles = new LocalBundles({ freeBytes: async () => size - 4_000_000 });
    expect(await bundles.write(plan, path, writing)).toMatchObject({ size, resumedAt: 0 });
    expect((await readdir(disk)).filter((file) => file.endsWith('.partial'))).toEqual([]);
  });

  it('needs nothing more for a bundle that was interrupted while its parts got their names', async () => {
    const plan = await planSamples();
    const path = join(disk, 'harness.tar');
    const partBytes = 2_000_000;
    const carrier = fileCarrier(path, { partBytes });
    const create: typeof carrier.create = async (...position) => {
      const writer = await carrier.create(...position);
      writer.complete = async () => {
        await writer.flush();
        await rename(`${path}.001.partial`, `${path}.001`);
        throw new Error('killed');
      };
      return writer;
    };
    await expect(writeTar(plan, { ...carrier, create })).rejects.toThrow('killed');
    const bundles = new LocalBundles({ partBytes, freeBytes: async () => 0 });
    const { size } = planBundleTar(plan.document);
    expect(await bundles.write(plan, path, writing)).toMatchObject({ size, resumedAt: size });
  });

  it('does not count a complete bundle of before, which stays until the new one is written', async () => {
    const plan = await planSamples();
    await writeTar(plan, fileCarrier(join(disk, 'harness.tar')));
    const { size } = planBundleTar(plan.document);
    const bundles = new LocalBundles({ freeBytes: async () => size - 1 });
    await expect(bundles.write(plan, join(disk, 'harness.tar'), writing)).rejects.toMatchObject({ name: 'DiskFull' });
  });
});
