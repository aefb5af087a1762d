import { copyFile, cp, mkdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { planBundleTar } from '../../functions/bundle/bundle-files.ts';
import type { BundleDocument } from '../../functions/bundle/document.ts';
import { fileCarrier, fileSource } from '../../functions/bundle/file-carrier.ts';
import { openBundle } from '../../functions/bundle/open-bundle.ts';
import { verifyBundle } from '../../functions/bundle/verify-bundle.ts';
import { writeTar } from '../../functions/bundle/write-tar.ts';
import { copyImage } from '../../functions/oci/copy/copy-image.ts';
import { copyReferrers } from '../../functions/oci/copy/copy-referrers.ts';
import { BlobLedger } from '../../functions/oci/copy/blob-ledger.ts';
import { unreadable } from '../../functions/oci/layout/layout-files.ts';
import type { RangeReader } from '../../functions/oci/layout/ranges.ts';
import type { PlannedEntry } from '../../functions/oci/layout/tar-plan.ts';
import { listReferrers } from '../../functions/oci/registry/referrers.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { parseReference } from '../../functions/oci/spec/reference.ts';
import { startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { connect, count, errorOf, expectWhole } from '../oci/connect.ts';
import { folder, planSamples, samples, signature, useSamples } from './sample-bundle.ts';

useSamples();
const run = promisify(execFile);
let path: string;
let bytes: Buffer;
let document: BundleDocument;
let entries: readonly PlannedEntry[];

beforeAll(async () => {
  path = join(folder, 'good.tar');
  ({ document } = await writeTar(await planSamples(), fileCarrier(path)));
  bytes = await readFile(path);
  ({ entries } = planBundleTar(document));
});

/** Puts altered bytes beside the files of the good bundle. Returns the path. */
async function altered(name: string, content: Uint8Array): Promise<string> {
  const target = join(folder, `${name}.tar`);
  await writeFile(target, content);
  for (const companion of ['bundle.json', 'sha256'])
    await copyFile(join(folder, `good.${companion}`), join(folder, `${name}.${companion}`));
  return target;
}

function inMemory(content: Buffer): RangeReader {
  return {
    name: 'any.tar',
    size: content.length,
    async *read(start, end) {
      yield content.subarray(start, end);
    },
    close: () => Promise.resolve(),
  };
}

function flipped(at: number, bit = 0): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << bit), at);
  return copy;
}

describe('an import from a tar', () => {
  it('copies every image and what refers to it, byte for byte', async () => {
    const to = await startRegistry();
    const bundle = await openBundle(await fileSource(path));
    const registry = connect(to.host);
    const ledger = new BlobLedger();
    for (const { image, digest } of bundle.document.images) {
      const { repository, tag = '' } = parseReference(image);
      const source = bundle.source(image);
      const destination = new Repository(registry, repository);
      await copyImage(source, destination, { tag, ledger });
      expect(to.storage.resolve(repository, tag)).toBe(digest);
      const sample = samples[`${repository}:${tag}`];
      if (sample) expectWhole(to, repository, sample);
      const read = (child: Digest) => source.manifest(child);
      const policy = 'all';
      const { warnings } = await copyReferrers({ source, destination, subjects: [digest], policy, ledger, read });
      expect(warnings).toEqual([]);
    }
    const large = new Repository(registry, 'plugins/large');
    const { artifacts } = await listReferrers(large, samples['plugins/large:1']?.digest as Digest);
    expect(artifacts.map(({ digest }) => digest)).toEqual([signature.digest]);
    expect(count(to, 'PUT', /\/blobs\//)).toBeLessThanOrEqual(document.totals.blobs);
    await bundle.close();
    await to.close();
  });

  it('writes no tag when a layer is damaged, and names the entry', async () => {
    const to = await startRegistry();
    const layer = entries.find(({ size }) => size > 8_000_000);
    const damaged = await altered('layer', flipped((layer?.content ?? 0) + 5_000_000));
    const bundle = await openBundle(await fileSource(damaged));
    const destination = new Repository(connect(to.host), 'plugins/large');
    const error = await errorOf(copyImage(bundle.source('docker.io/plugins/large:1'), destination, { tag: '1' }));
    expect(error).toMatchObject({ name: 'BundleInvalid' });
    expect(error.message).toContain(`${damaged}, byte ${layer?.start}, ${layer?.name}: it arrived as bytes of`);
    expect(to.storage.tags('plugins/large')).toEqual([]);
    expect(count(to, 'PUT', /manifests/)).toBe(0);
    await bundle.close();
    await to.close();
  });
});

describe('a verification', () => {
  const names = ['header', 'padding', 'index', 'document', 'manifest', 'layer', 'trailer'] as const;
  const places = (): Record<(typeof names)[number], number> => {
    const [, index, own] = entries;
    const manifest = entries[3];
    const layer = entries.find(({ size }) => size > 8_000_000);
    const padded = entries.find(({ content, size, end }) => content + size < end && size > 1_000);
    return {
      header: (layer?.start ?? 0) + 124,
      padding: (padded?.end ?? 0) - 1,
      index: (index?.content ?? 0) + 40,
      document: (own?.content ?? 0) + 40,
      manifest: (manifest?.content ?? 0) + 9,
      layer: (layer?.content ?? 0) + 77,
      trailer: bytes.length - 3,
    };
  };

  it('finds nothing in a good bundle', async () => {
    const source = await fileSource(path);
    const { damages, document: found } = await verifyBundle(source, { companions: source.companions });
    expect(damages).toEqual([]);
    expect(found).toEqual(document);
  });

  it.each(names.flatMap((name) => [0, 3, 7].map((bit) => [name, bit] as const)))(
    'finds a flipped bit in the %s (bit %i)',
    async (name, bit) => {
      const at = places()[name];
      const source = await fileSource(await altered(`${name}-${bit}`, flipped(at, bit)));
      const { damages } = await verifyBundle(source);
      const text = JSON.stringify(damages);
      expect(damages.length).toBeGreaterThan(0);
      expect(text).toContain(source.reader.name);
      if (name === 'layer') expect(text).toContain(entries.find(({ size }) => size > 8_000_000)?.name);
    },
  );

  it('finds every single bit that is flipped in the first kilobytes', async () => {
    for (let at = 0; at < 1_500; at += 7) {
      const { damages } = await verifyBundle({ reader: inMemory(flipped(at, at % 8)) });
      expect(damages.length).toBeGreaterThan(0);
    }
  }, 60_000);

  it('finds a flipped bit in the sums and in the copy of the document', async () => {
    const target = await altered('companions', bytes);
    for (const companion of ['sha256', 'bundle.json']) {
      const file = join(folder, `companions.${companion}`);
      const content = await readFile(file);
      content.writeUInt8(content.readUInt8(3) ^ 1, 3);
      await writeFile(file, content);
    }
    const source = await fileSource(target);
    const { damages } = await verifyBundle(source, { companions: source.companions });
    expect(damages.map(({ part }) => part).toSorted()).toEqual([target, `${target} (.bundle.json)`]);
  });

  it.each(Array.from({ length: 20 }, (_, index) => index))('finds a cut at %i twentieths', async (index) => {
    const at = Math.floor((bytes.length * index) / 20);
    const target = await altered(`cut-${index}`, bytes.subarray(0, at));
    const { damages } = await verifyBundle(await fileSource(target));
    expect(damages).toHaveLength(1);
    expect(damages[0]?.reason).toContain(target);
    expect(damages[0]?.reason).toContain('it is cut off within');
  });

  it('names each damaged entry and its part', async () => {
    const carrier = fileCarrier(join(folder, 'parts.tar'), { partBytes: 1_000_000 });
    await writeTar(await planSamples(), carrier);
    const layer = entries.find(({ size }) => size > 8_000_000);
    const others = entries.filter(
      ({ name, size }) => name.startsWith('blobs/') && size > 30_000 && name !== layer?.name,
    );
    for (const { content } of others.slice(0, 2)) {
      const part = join(folder, `parts.tar.${String(Math.floor(content / 1_000_000) + 1).padStart(3, '0')}`);
      const file = await readFile(part);
      file.writeUInt8(file.readUInt8(content % 1_000_000) ^ 1, content % 1_000_000);
      await writeFile(part, file);
    }
    const source = await fileSource(join(folder, 'parts.tar'));
    const { damages } = await verifyBundle(source, { companions: source.companions });
    const named = damages.flatMap(({ entry }) => entry ?? []);
    expect(named).toEqual(others.slice(0, 2).map(({ name }) => name));
    expect(damages.filter(({ reason }) => reason.includes('its sum is not'))).not.toEqual([]);
    expect(damages.every(({ part }) => part.includes('parts.tar.0'))).toBe(true);
  });

  describe('of parts', () => {
    type Resize = (size: number) => number;
    const cut: Resize = (size) => size - 100_000;
    const grown: Resize = (size) => size + 512;
    const cases: readonly [what: string, count: number, changes: Readonly<Record<number, Resize>>, named: number[]][] =
      [
        ['a middle one that was cut', 4, { 2: cut }, [2]],
        ['a middle one that grew', 4, { 3: grown }, [3]],
        ['the first, cut within the document', 4, { 1: () => 700 }, [1]],
        ['two that were cut', 5, { 2: cut, 3: (size) => size - 2 }, [2, 3]],
        ['one of three that was cut', 3, { 2: cut }, [2]],
        ['one of three that grew', 3, { 1: grown }, [1]],
        ['both of two, of which one was cut', 2, { 1: cut }, [1, 2]],
        ['the last that was cut', 4, { 4: cut }, [4]],
        ['the last that grew', 4, { 4: grown }, [4]],
      ];

    it.each(cases)('names %s', async (what, count, changes, named) => {
      const target = join(folder, `${what}.tar`);
      const partBytes = Math.ceil(bytes.length / count);
      await writeTar(await planSamples(), fileCarrier(target, { partBytes }));
      for (const [number, change] of Object.entries(changes)) {
        const file = `${target}.00${number}`;
        await truncate(file, change((await stat(file)).size));
      }
      const { damages } = await verifyBundle(await fileSource(target));
      expect(damages).toHaveLength(1);
      const { reason = '' } = damages[0] ?? {};
      expect([...reason.matchAll(/\.tar\.00(\d)/g)].map(([, number]) => Number(number))).toEqual(named);
      // A wrong part comes with its bytes and those of the others.
      const [first = 0] = named;
      const change = changes[first];
      if (change && first < count && count > 2)
        expect(reason).toMatch(RegExp(`00${first} \\(${change(partBytes)} bytes\\).* have ${partBytes} bytes`));
    });
  });

  it('names what cannot be read, with its byte, and goes on', async () => {
    const [bad, worse] = entries.filter(({ name, size }) => name.startsWith('blobs/') && size > 30_000);
    const at = (bad?.content ?? 0) + 200;
    const flippedLater = flipped((worse?.content ?? 0) + 9);
    const reader: RangeReader = {
      ...inMemory(flippedLater),
      async *read(start, end) {
        yield flippedLater.subarray(start, start <= at && at < end ? at : end);
        if (start <= at && at < end)
          throw unreadable(`any.tar, byte ${at}`, Object.assign(new Error(), { code: 'EIO' }));
      },
    };
    let seen = 0;
    const { companions } = await fileSource(await altered('sick', flippedLater));
    const { damages } = await verifyBundle({ reader }, { companions, onBytes: (count) => (seen += count) });
    expect(damages.map(({ entry, reason }) => [entry, reason])).toEqual([
      [bad?.name, `any.tar, byte ${at}: it cannot be read (EIO)`],
      [worse?.name, 'its bytes have another digest'],
      [undefined, 'the file of sums does not list it'],
    ]);
    expect(seen).toBe(bytes.length);
  });

  it('names a file beside the bundle that cannot be read', async () => {
    const target = await altered('folder-beside', bytes);
    await rm(join(folder, 'folder-beside.sha256'));
    await mkdir(join(folder, 'folder-beside.sha256'));
    const { reader, companions } = await fileSource(target);
    const { damages } = await verifyBundle({ reader }, { companions });
    expect(damages.map(({ part, reason }) => `${part} ${reason}`)).toEqual([
      expect.stringMatching(/\.sha256\) .*it is not a regular file/),
    ]);
  });

  it('names a part that is missing', async () => {
    await rm(join(folder, 'parts.tar.003'));
    await expect(fileSource(join(folder, 'parts.tar'))).rejects.toThrow('parts.tar: part 3 is missing');
  });

  it.each([
    ['a folder', (place: string) => mkdir(place)],
    ['a pipe', (place: string) => run('mkfifo', [place])],
  ])('refuses %s in place of a tar at once', async (what, make) => {
    const place = join(folder, `${what}.tar`);
    await make(place);
    const error = await errorOf(fileSource(place));
    expect([error.name, error.message]).toEqual(['BundleInvalid', `${place}: it is not a regular file`]);
  });

  it('reports a bundle that is not there', async () => {
    await expect(fileSource(join(folder, 'none.tar'))).rejects.toThrow('there is no bundle');
  });
});

describe('a folder', () => {
  const untar = async (name: string) => {
    const target = join(folder, name);
    await mkdir(join(target, 'blobs/sha256'), { recursive: true });
    await mkdir(join(target, 'blobs/sha512'), { recursive: true });
    for (const { name: file, content, size } of entries)
      await writeFile(join(target, file), bytes.subarray(content, content + size));
    return target;
  };

  it('holds the same bundle', async () => {
    const target = await untar('folder');
    const { damages, document: found } = await verifyBundle({ folder: target });
    expect([damages, found]).toEqual([[], document]);
  });

  it('names each damaged, short and missing file', async () => {
    const target = await untar('damaged');
    const [, , , , ...blobs] = entries;
    const [one, two, three] = blobs.filter(({ size }) => size > 30_000).map(({ name }) => name);
    await writeFile(join(target, one ?? ''), Buffer.alloc(40_000));
    await rm(join(target, two ?? ''));
    const third = join(target, three ?? '');
    const content = await readFile(third);
    content.writeUInt8(content.readUInt8(5) ^ 1, 5);
    await writeFile(third, content);
    const { damages } = await verifyBundle({ folder: target });
    expect(new Set(damages.map(({ entry }) => entry))).toEqual(new Set([one, two, three]));
  });

  it('names each file that is none, and goes on', async () => {
    const target = await untar('irregular');
    const [one, two] = entries.filter(({ name, size }) => name.startsWith('blobs/') && size > 30_000);
    for (const { name = '' } of [one, two].map((entry) => ({ name: join(target, entry?.name ?? '') }))) {
      await rm(name);
      await mkdir(name);
    }
    const { damages } = await verifyBundle({ folder: target });
    expect(damages.map(({ entry }) => entry)).toEqual([one?.name, two?.name]);
    expect(damages[0]?.reason).toContain('it is not a regular file');
  });

  it('refuses a link in place of a file', async () => {
    const target = await untar('linked');
    const blob = join(target, entries.at(-1)?.name ?? '');
    await cp(blob, join(folder, 'elsewhere'));
    await rm(blob);
    await symlink(join(folder, 'elsewhere'), blob);
    const { damages } = await verifyBundle({ folder: target });
    expect(damages).toHaveLength(1);
    expect(JSON.stringify(damages)).toContain('it is not a regular file');
  });
});
