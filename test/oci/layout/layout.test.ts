import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyImage } from '../../../functions/oci/copy/copy-image.ts';
import { openFile } from '../../../functions/oci/layout/file-reader.ts';
import { folderFiles } from '../../../functions/oci/layout/folder-files.ts';
import { blobPath, Layout, layoutVersion } from '../../../functions/oci/layout/layout.ts';
import type { LayoutFiles } from '../../../functions/oci/layout/layout-files.ts';
import { tarFiles } from '../../../functions/oci/layout/tar-files.ts';
import { encodeHeader, paddingOf } from '../../../functions/oci/layout/tar-header.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import type { Image } from '../../../infra/local/embedded/registry/storage.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { available } from '../../real-parts.ts';
import { connect, disconnect, errorOf, expectWhole } from '../connect.ts';
import { artifact, descriptorOf, indexOf, storedImage } from '../stored-images.ts';

const run = promisify(execFile);
const image = sampleImage({ name: 'harness/ci-addon', tag: '1', layerBytes: 4_096 });
const single = storedImage([Buffer.from('layer')]);
const layer = [...single.blobs.keys()].at(-1) ?? '';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'layout-'))));
afterEach(async () => {
  await disconnect();
  await rm(folder, { recursive: true });
});

type Entries = readonly (readonly [name: string, content: Buffer])[];
const refName = 'org.opencontainers.image.ref.name';

/** All blobs of images as files of a layout. */
function blobsOf(images: readonly Image[]): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  const visit = ({ digest, bytes, blobs, children }: Image) => {
    found.set(blobPath(digest as Digest), bytes);
    for (const [blob, content] of blobs) found.set(blobPath(blob as Digest), content);
    for (const child of children) visit(child);
  };
  for (const each of images) visit(each);
  return found;
}

function layoutOf(manifests: readonly object[], images: readonly Image[]): Entries {
  return [
    ['oci-layout', Buffer.from(layoutVersion)],
    ['index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))],
    ...blobsOf(images),
  ];
}

const named = (name: string, of: Image = image) => ({ ...descriptorOf(of), annotations: { [refName]: name } });
const entry = (name: string, content: Buffer) =>
  Buffer.concat([encodeHeader(name, content.length), content, Buffer.alloc(paddingOf(content.length))]);
const tarOf = (entries: Entries) =>
  Buffer.concat([...entries.map(([name, content]) => entry(name, content)), Buffer.alloc(1_024)]);

async function inTar(bytes: Buffer): Promise<LayoutFiles> {
  const path = join(folder, 'layout.tar');
  await writeFile(path, bytes);
  return tarFiles(await openFile(path));
}

async function inFolder(entries: Entries): Promise<LayoutFiles> {
  for (const [name, content] of entries) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folderFiles(folder);
}

/** Copies an image out of a layout into a registry, and expects every byte. */
async function expectCopied(files: LayoutFiles, tagOrDigest: string, of: Image = image): Promise<void> {
  const to = await startRegistry();
  const source = (await Layout.open(files)).source({ registry: 'docker.io', repository: 'harness/ci-addon' });
  const destination = new Repository(connect(to.host), 'mirror/ci-addon');
  const root = await source.manifest(tagOrDigest);
  expect(root.digest).toBe(of.digest);
  await copyImage(source, destination, { tag: tagOrDigest.includes(':') ? '1' : tagOrDigest });
  expectWhole(to, 'mirror/ci-addon', of);
  await files.close();
  await to.close();
}

describe('a layout', () => {
  it.each([
    ['a tag', '1'],
    ['a full reference', 'docker.io/harness/ci-addon:1'],
  ])('finds an image whose name is %s, in a folder and in a tar', async (_, name) => {
    await expectCopied(await inFolder(layoutOf([named(name)], [image])), '1');
    await expectCopied(await inTar(tarOf(layoutOf([named(name)], [image]))), '1');
  });

  it('finds an image whose name is an annotation of containerd', async () => {
    const annotations = { 'io.containerd.image.name': 'docker.io/harness/ci-addon:1', [refName]: '1' };
    await expectCopied(await inFolder(layoutOf([{ ...descriptorOf(image), annotations }], [image])), '1');
  });

  it('reads an image by its digest, and ignores entries without a name', async () => {
    const entries = layoutOf([descriptorOf(single), descriptorOf(image)], [image, single]);
    const source = (await Layout.open(await inFolder(entries))).source();
    expect((await source.manifest(image.digest)).digest).toBe(image.digest);
    expect(await source.digestOf('1')).toBeUndefined();
    expect(await errorOf(source.manifest('1'))).toMatchObject({ name: 'ImageNotFound' });
  });

  it('prefers the full reference of the repository to a tag that another may have', async () => {
    const entries = layoutOf(
      [named('1', single), named('docker.io/harness/ci-addon:1'), named('docker.io/plugins/docker:1', single)],
      [image, single],
    );
    await expectCopied(await inFolder(entries), '1');
  });

  it('refuses a name that two images have', async () => {
    const source = (
      await Layout.open(await inFolder(layoutOf([named('1'), named('1', single)], [image, single])))
    ).source();
    expect((await errorOf(source.manifest('1'))).message).toContain('it has several images with the name 1');
  });

  it('reads the order of entries, names with "./" and folders of any tool', async () => {
    const entries = layoutOf([named('1')], [image]).toReversed();
    await inFolder(entries);
    await run('tar', ['--format=gnu', '-cf', 'any.tar', './blobs', './index.json', './oci-layout'], { cwd: folder });
    await expectCopied(await tarFiles(await openFile(join(folder, 'any.tar'))), '1');
    await run('tar', ['--format=posix', '-cf', 'pax.tar', 'oci-layout', 'blobs', 'index.json'], { cwd: folder });
    await expectCopied(await tarFiles(await openFile(join(folder, 'pax.tar'))), '1');
  });

  it('reads blobs named by sha512, whose names no ustar field holds', async () => {
    const long = storedImage([Buffer.from('x')], { algorithm: 'sha512' });
    const entries = layoutOf([named('1', long)], [long]);
    await expectCopied(await inTar(tarOf(entries)), '1', long);
    await inFolder(entries);
    await run('tar', ['--format=gnu', '-cf', 'gnu.tar', 'oci-layout', 'index.json', 'blobs'], { cwd: folder });
    await expectCopied(await tarFiles(await openFile(join(folder, 'gnu.tar'))), '1', long);
  });

  it('finds referrers by their subject, and by the index under the fallback tag', async () => {
    const [one, two] = ['one', 'two'].map((text) => artifact('application/spdx+json', Buffer.from(text), single));
    if (!one || !two) throw new Error('no artifacts');
    const fallback = indexOf([two]);
    const tag = single.digest.replace(':', '-');
    const entries = layoutOf(
      [named('1', single), descriptorOf(one), named(tag, fallback)],
      [single, one, two, fallback],
    );
    const source = (await Layout.open(await inFolder(entries))).source();
    const { artifacts } = await source.referrers(single.digest as Digest);
    expect(artifacts.map(({ digest }) => digest)).toEqual([one.digest, two.digest]);
    expect(artifacts[0]?.artifactType).toBe('application/spdx+json');
    expect(await source.digestOf(tag)).toBe(fallback.digest);
  });
});

describe('a hostile tar', () => {
  const good = layoutOf([named('1')], [image]);
  const typed = (name: string, flag: string) => {
    const header = encodeHeader(name, 0);
    header.write(flag, 156);
    header.write('        ', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return header;
  };
  const refusal = async (bytes: Buffer) => String(await errorOf(inTar(bytes)));

  it.each([['../../etc/passwd'], ['/etc/passwd'], ['blobs/../../x'], ['.//../x'], [String.raw`blobs\..\x`]])(
    'cannot have the path %s',
    async (path) => {
      expect(await refusal(tarOf([...good, [path, Buffer.from('x')]]))).toContain('it has a name that leads out');
    },
  );

  it.each([
    ['1', 'a hard link'],
    ['2', 'a symbolic link'],
    ['3', 'a device'],
    ['6', 'a pipe'],
    ['S', 'a sparse file'],
  ])('cannot have an entry of type %s, %s', async (flag) => {
    const bytes = Buffer.concat([typed('blobs/sha256/x', flag), tarOf(good)]);
    expect(await refusal(bytes)).toContain(`it is neither a file nor a folder (type ${flag})`);
  });

  it('cannot have an entry twice', async () => {
    expect(await refusal(tarOf([...good, ...good.slice(1, 2)]))).toContain('index.json: it is there twice');
  });

  it.each([9e9, 2 ** 53 - 1])('cannot have an entry of %d bytes that are not there', async (size) => {
    expect(await refusal(Buffer.concat([encodeHeader('index.json', size), tarOf(good)]))).toContain('it is cut off');
  });

  it('cannot have a size that no number holds', async () => {
    const header = encodeHeader('index.json', 2 ** 53 - 1);
    header.fill(0xff, 125, 136);
    header.write('        ', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    expect(await refusal(Buffer.concat([header, tarOf(good)]))).toContain('it has an impossible size');
  });

  it('cannot have a name of a megabyte', async () => {
    const name = typed('././@LongLink', 'L');
    const header = encodeHeader('././@LongLink', 1_000_000);
    name.copy(header, 0, 0, 124);
    header.write('L', 156);
    header.write('        ', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const bytes = Buffer.concat([
      header,
      Buffer.alloc(1_000_000, 'a'),
      Buffer.alloc(paddingOf(1_000_000)),
      tarOf(good),
    ]);
    expect(await refusal(bytes)).toContain('it has a name without end');
  });

  it('must be a tar', async () => {
    expect(await refusal(Buffer.alloc(2_048, 'x'))).toContain('it is not a tar header');
    expect(await refusal(Buffer.from('short'))).toContain('it is cut off');
  });
});

describe('hostile content of a layout', () => {
  const open = async (entries: Entries) => Layout.open(await inFolder(entries));
  const copied = async (entries: Entries) => {
    const to = await startRegistry();
    const source = (await open(entries)).source();
    const work = copyImage(source, new Repository(connect(to.host), 'a/b'), { tag: '1' });
    const error = await errorOf(work);
    expect(to.storage.tags('a/b')).toEqual([]);
    await to.close();
    return String(error);
  };
  const good = layoutOf([named('1', single)], [single]);
  const replaced = (name: string, content: Buffer): Entries =>
    good.map(([path, bytes]) => [path, path === name ? content : bytes]);

  it('includes another version of layouts', async () => {
    const error = await errorOf(open(replaced('oci-layout', Buffer.from('{"imageLayoutVersion":"2.0.0"}'))));
    expect(error.message).toContain('it is no image layout 1.0.0');
  });

  it('includes an index that is too large, and one that is none', async () => {
    expect((await errorOf(open(replaced('index.json', Buffer.alloc(5_000_000))))).message).toContain('at most 4194304');
    expect((await errorOf(open(replaced('index.json', Buffer.from('[]'))))).message).toContain('index.json');
  });

  it('includes a layer of another size, of other bytes, or none', async () => {
    const path = blobPath(layer as Digest);
    expect(await copied(replaced(path, Buffer.from('layers')))).toContain('it has 6 bytes, its manifest says 5');
    expect(await copied(replaced(path, Buffer.from('reyal')))).toContain(`${path}: it arrived as bytes of`);
    await rm(join(folder, path));
    expect(await copied(good.filter(([name]) => name !== path))).toContain(`has no ${layer}`);
  });

  it('includes a manifest of other bytes, and one of 5 MiB', async () => {
    const path = blobPath(single.digest as Digest);
    expect(await copied(replaced(path, Buffer.from('{}')))).toContain('it has bytes of another digest');
    expect(await copied(replaced(path, Buffer.alloc(5 * 1024 * 1024)))).toContain('at most 4194304 are accepted');
  });

  it('includes a link in place of a layer', async () => {
    const path = join(folder, blobPath(layer as Digest));
    const entries = good.filter(([name]) => name !== blobPath(layer as Digest));
    await mkdir(join(path, '..'), { recursive: true });
    await symlink('/etc/passwd', path);
    expect(await copied(entries)).toContain('it is not a regular file');
  });

  it('includes indexes nested deeper than eight levels', async () => {
    let nested: Image = single;
    for (let level = 0; level < 10; level++) nested = indexOf([nested], { annotations: { level: `${level}` } });
    expect(await copied(layoutOf([named('1', nested)], [nested]))).toContain('indexes nested deeper than 8');
  });
});

(available('skopeo') ? describe : describe.skip)(
  `layouts of skopeo${available('skopeo') ? '' : ' (not on PATH)'}`,
  () => {
    it('copy byte for byte from a folder and from an archive', async () => {
      const from = await startRegistry();
      from.storage.putImage('harness/ci-addon', '1', image);
      const source = `docker://${from.host}/harness/ci-addon:1`;
      const options = ['--insecure-policy', 'copy', '--all', '--src-tls-verify=false', source];
      await run('skopeo', [...options, `oci:${join(folder, 'dir')}:1`]);
      await run('skopeo', [...options, `oci-archive:${join(folder, 'archive.tar')}:docker.io/harness/ci-addon:1`]);
      await from.close();
      await expectCopied(folderFiles(join(folder, 'dir')), '1');
      await expectCopied(await tarFiles(await openFile(join(folder, 'archive.tar'))), '1');
    });
  },
);
