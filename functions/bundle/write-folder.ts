import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { inParallel } from '../async/in-parallel.ts';
import { isMismatch, verifiedStream } from '../oci/copy/verified-stream.ts';
import { release } from '../http/release.ts';
import { folderFiles } from '../oci/layout/folder-files.ts';
import { blobPath } from '../oci/layout/layout.ts';
import { isLayoutInvalid, type LayoutFiles, readSmall } from '../oci/layout/layout-files.ts';
import type { Source } from '../oci/registry/source.ts';
import type { Descriptor } from '../oci/spec/manifest.ts';
import { bundleFiles } from './bundle-files.ts';
import type { Companion } from './carrier.ts';
import { bundleDocument, type BundleDocument, documentLimit, encodeDocument, parseDocument } from './document.ts';
import { fileCompanions, refuseNamesake } from './file-carrier.ts';
import { sumOf } from './file-sums.ts';
import { replaceFile, unfinished, writeFailure } from './file-writer.ts';
import type { BundlePlan, Origin } from './plan-bundle.ts';
import { readFrom } from './read-from.ts';
import type { TarWriting } from './write-tar.ts';

/** For blobs up to this size, the round trip takes most of the time. In bytes. */
const smallBlob = 1024 * 1024;
/** The number of blobs that are read at once. A large one holds several buffers in memory. */
const atOnce = { small: 16, large: 6 };

export interface WrittenFolder {
  readonly document: BundleDocument;
  /** Blobs that were read; the others were there. */
  readonly blobsRead: number;
}

/**
 * Writes a bundle as a folder. Blobs that are there with the right bytes are not fetched again, so an interrupted export
 * goes on, and a second one adds what is new and mends what is damaged. `index.json` comes last. What only the bundle
 * before needed is deleted then.
 */
export async function writeFolder(
  plan: BundlePlan,
  folder: string,
  { accompany, onBytes, signal }: Pick<TarWriting, 'accompany' | 'onBytes' | 'signal'> = {},
): Promise<WrittenFolder> {
  await refuseNamesake(folder);
  const files = folderFiles(folder);
  const before = await findDocument(folder);
  const { createdAt, factory } = before?.id === plan.document.id ? before : plan.document;
  const document = bundleDocument({ ...plan.document, createdAt, factory });
  const companions = (await accompany?.(document)) ?? new Map<Companion, Uint8Array>();
  let blobsRead = 0;
  try {
    for (const algorithm of new Set(document.blobs.map(([digest]) => dirname(blobPath(digest)))))
      await mkdir(join(folder, algorithm), { recursive: true });
    await inParallel([...plan.manifests], atOnce.small, signal, async ([digest, { bytes, mediaType }], each) => {
      if (!(await isRight(files, { digest, mediaType, size: bytes.length }, each)))
        await replaceFile(join(folder, blobPath(digest)), bytes);
    });
    const provide = async ({ blob, sources }: Origin, each: AbortSignal) => {
      if (await isRight(files, blob, each)) return onBytes?.(blob.size);
      const store = () => storeBlob(join(folder, blobPath(blob.digest)), { blob, sources }, each);
      // One wrong transfer is cured by another.
      await store().catch((error: unknown) => (isMismatch(error) ? store() : Promise.reject(error)));
      blobsRead++;
      onBytes?.(blob.size);
    };
    const { small = [], large = [] } = Object.groupBy(plan.blobs.values(), ({ blob }) =>
      blob.size <= smallBlob ? 'small' : 'large',
    );
    await inParallel(small, atOnce.small, signal, provide);
    await inParallel(large, atOnce.large, signal, provide);
    const own = [...bundleFiles(document)].toSorted(
      ([a], [b]) => Number(a === 'index.json') - Number(b === 'index.json'),
    );
    // From here on those beside the folder would be of another bundle.
    if (before?.id !== document.id)
      for (const companion of ['sha256', 'bundle.json', 'sbom.cdx.json', 'sig'] as const)
        await fileCompanions(folder).remove(companion);
    for (const [name, bytes] of own) await replaceFile(join(folder, name), bytes);
    await deleteUnused(folder, before, document);
  } catch (error) {
    throw writeFailure(folder, error);
  }
  await writeCompanions(folder, document, companions);
  return { document, blobsRead };
}

/** Returns whether a blob is there with the right bytes. What cannot be read is written again. */
async function isRight(files: LayoutFiles, blob: Descriptor, signal: AbortSignal): Promise<boolean> {
  const path = blobPath(blob.digest);
  try {
    if ((await files.size(path)) !== blob.size) return false;
    for await (const piece of verifiedStream(files.read(path, 0, signal), blob)) release(piece);
    return true;
  } catch (error) {
    if (isMismatch(error) || isLayoutInvalid(error)) return false;
    throw error;
  }
}

/** Stores a blob under its name when its digest is verified. */
async function storeBlob(
  path: string,
  { blob, sources }: { blob: Descriptor; sources: readonly Source[] },
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path + unfinished, 'w');
  try {
    for await (const piece of verifiedStream(readFrom(sources, blob, 0, signal), blob)) {
      await file.writeFile(piece);
      release(piece);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(path + unfinished, path);
}

async function findDocument(folder: string): Promise<BundleDocument | undefined> {
  const files = folderFiles(folder);
  if ((await files.size('bundle.json')) === undefined) return undefined;
  try {
    return parseDocument(await readSmall(files, 'bundle.json', documentLimit), files.placeOf('bundle.json'));
  } catch (error) {
    // In a folder that is no layout, it may be a file of somebody else.
    if (isLayoutInvalid(error) && (await files.size('oci-layout')) !== undefined) return undefined;
    throw error;
  }
}

async function deleteUnused(folder: string, before: BundleDocument | undefined, now: BundleDocument): Promise<void> {
  const used = new Set(now.blobs.map(([digest]) => digest));
  const unused = (before?.blobs ?? []).flatMap(([digest]) => (used.has(digest) ? [] : digest));
  for (const digest of unused) await rm(join(folder, blobPath(digest)), { force: true });
}

/** Writes what lies beside the folder. The sum of a blob is its name. */
async function writeCompanions(
  folder: string,
  document: BundleDocument,
  more: ReadonlyMap<Companion, Uint8Array>,
): Promise<void> {
  const companions = fileCompanions(folder);
  const name = basename(folder);
  const blobs = document.blobs.flatMap(([digest]) =>
    digest.startsWith('sha256:') ? `${digest.slice(7)}  ${name}/${blobPath(digest)}` : [],
  );
  const lines = [...[...bundleFiles(document)].map(([file, bytes]) => `${sumOf(bytes)}  ${name}/${file}`), ...blobs];
  for (const [companion, bytes] of [['bundle.json', encodeDocument(document)] as const, ...more]) {
    await companions.write(companion, bytes);
    lines.push(`${sumOf(bytes)}  ${name}.${companion}`);
  }
  await companions.write('sha256', Buffer.from(`${lines.join('\n')}\n`));
}
