import { inParallel } from '../async/in-parallel.ts';
import { FactoryError } from '../errors.ts';
import { folderFiles } from '../oci/layout/folder-files.ts';
import { blobPath, Layout } from '../oci/layout/layout.ts';
import { isLayoutInvalid, type LayoutFiles, layoutInvalid, readSmall } from '../oci/layout/layout-files.ts';
import { type RangeReader, readRange } from '../oci/layout/ranges.ts';
import { cutOff, placeAt, plannedFiles, tarFiles } from '../oci/layout/tar-files.ts';
import { blockBytes, decodeHeader, encodeHeader, paddingOf, type TarHeader } from '../oci/layout/tar-header.ts';
import { entryAt, type PlannedTar } from '../oci/layout/tar-plan.ts';
import type { Source } from '../oci/registry/source.ts';
import { type Image, loadImage } from '../oci/spec/image.ts';
import { parseReference } from '../oci/spec/reference.ts';
import { bundleFiles, planBundleTar, withOffsets } from './bundle-files.ts';
import { canonicalJson } from './canonical-json.ts';
import type { TarSource } from './carrier.ts';
import { type BundleDocument, documentLimit, encodeDocument, parseDocument } from './document.ts';
import { documentOfLayout } from './foreign-layout.ts';

/** A bundle whose document, index and manifests were checked. Its blobs are checked while they are read. */
export interface Bundle {
  readonly document: BundleDocument;
  /** The bytes of `bundle.json`, which a signature covers; absent in a layout that another tool wrote. */
  readonly documentBytes: Buffer | undefined;
  readonly files: LayoutFiles;
  /** The tar, where the bundle is one that the factory planned. */
  readonly tar?: { readonly reader: RangeReader; readonly plan: PlannedTar };
  /** Returns the source of an image, by its name in the document. */
  source(image: string): Source;
  close(): Promise<void>;
}

/** The place of a bundle: a tar, perhaps in parts, or a folder. */
export type BundlePlace = Pick<TarSource, 'reader'> | { readonly folder: string };

/**
 * Opens a bundle, or a layout that another tool wrote, and checks everything but the blobs.
 *
 * @throws {FactoryError} `BundleInvalid`; `InvalidInput` when a newer release made it.
 */
export async function openBundle(place: BundlePlace, signal?: AbortSignal): Promise<Bundle> {
  return 'folder' in place ? openFolder(place.folder, signal) : openTar(place.reader, signal);
}

async function openTar(reader: RangeReader, signal?: AbortSignal): Promise<Bundle> {
  let size: number | undefined;
  try {
    const head = await readDocument(reader, signal);
    if (!head) return await openForeign(await tarFiles(reader, signal), signal);
    const document = parseDocument(head.bytes, `${placeAt(reader, head.start)}, bundle.json`);
    const plan = planBundleTar(document);
    ({ size } = plan);
    await checkHead(reader, document, plan, signal);
    const files = plannedFiles(reader, plan);
    return await checked({ document, files, tar: { reader, plan } }, signal);
  } catch (error) {
    await reader.close();
    throw (isLayoutInvalid(error) && size !== reader.size && wrongParts(reader, size)) || error;
  }
}

/**
 * Names the parts that have another size than most, if they do not make `size` bytes together. Leaves the last one out,
 * which has what the others leave. Returns `undefined` where all others have one size.
 */
function wrongParts({ parts = [], size: found }: RangeReader, size?: number): FactoryError | undefined {
  const others = parts.slice(0, -1);
  // Of two parts, each says that the other is wrong.
  if (others.length === 1 && size !== undefined) {
    const names = parts.map(({ name }) => name).join(' or ');
    const what = `one of them has the wrong size: together they have ${found} bytes, not ${size}; sha256sum -c tells which`;
    return layoutInvalid(names, what);
  }
  const sizes = others.map((part) => part.size);
  // The last part has a vote too.
  const left = ((size ?? 0) - (parts.at(-1)?.size ?? 0)) / others.length;
  const votes = Map.groupBy([...sizes, ...(sizes.includes(left) ? [left] : [])], (each) => each);
  const [[expected] = []] = [...votes].toSorted(([a, one], [b, other]) => other.length - one.length || b - a);
  const wrong = others.filter((part) => part.size !== expected);
  if (wrong.length === 0) return undefined;
  const names = wrong.map((part) => `${part.name} (${part.size} bytes)`).join(', ');
  return layoutInvalid(names, `it was cut or grew: all parts but the last have ${expected} bytes`);
}

async function openFolder(folder: string, signal?: AbortSignal): Promise<Bundle> {
  const files = folderFiles(folder);
  if ((await files.size('oci-layout')) === undefined && (await files.size('bundle.json')) === undefined)
    throw layoutInvalid(folder, 'there is no bundle and no image layout');
  if ((await files.size('bundle.json')) === undefined) return openForeign(files, signal);
  const document = parseDocument(
    await readSmall(files, 'bundle.json', documentLimit, signal),
    files.placeOf('bundle.json'),
  );
  for (const [name, bytes] of bundleFiles(document)) {
    const found = await readSmall(files, name, documentLimit, signal);
    if (!found.equals(bytes)) throw layoutInvalid(files.placeOf(name), 'it is not what bundle.json demands');
  }
  return checked({ document, files }, signal);
}

async function openForeign(files: LayoutFiles, signal?: AbortSignal): Promise<Bundle> {
  const layout = await Layout.open(files, signal);
  const document = await documentOfLayout(layout, signal);
  return { document, documentBytes: undefined, ...bundleOf(files, layout) };
}

function bundleOf(files: LayoutFiles, layout: Layout): Pick<Bundle, 'files' | 'source' | 'close'> {
  return { files, source: (image) => layout.source(parseReference(image)), close: () => files.close() };
}

/** Checks the layout of a bundle against its document. */
async function checked(
  { document, files, tar }: Pick<Bundle, 'document' | 'files' | 'tar'>,
  signal?: AbortSignal,
): Promise<Bundle> {
  const layout = await Layout.open(files, signal);
  await checkContent(document, layout, signal);
  return { document, documentBytes: encodeDocument(document), ...(tar && { tar }), ...bundleOf(files, layout) };
}

/** Reads `bundle.json`; `undefined` in a tar that the factory did not plan. */
async function readDocument(
  reader: RangeReader,
  signal?: AbortSignal,
): Promise<{ bytes: Buffer; start: number } | undefined> {
  let at = 0;
  for (const name of ['oci-layout', 'index.json', 'bundle.json']) {
    const block = await readRange(reader, at, at + blockBytes, signal);
    if (block.length < blockBytes) throw cutOff(reader, name, at + blockBytes);
    const header = headerOf(block, reader, at);
    if (header?.name !== name) return undefined;
    const content = at + blockBytes;
    if (name === 'bundle.json') {
      if (header.size > documentLimit) throw layoutInvalid(placeAt(reader, at), `bundle.json has ${header.size} bytes`);
      const bytes = await readRange(reader, content, content + header.size, signal);
      if (bytes.length < header.size) throw cutOff(reader, name, content + header.size);
      return { bytes, start: at };
    }
    at = content + header.size + paddingOf(header.size);
  }
  return undefined;
}

function headerOf(block: Buffer, reader: RangeReader, at: number): TarHeader | undefined {
  try {
    return decodeHeader(block);
  } catch (cause) {
    throw layoutInvalid(placeAt(reader, at), cause instanceof RangeError ? cause.message : 'it cannot be read', cause);
  }
}

/** Checks the size of a tar, and all bytes before its first blob. */
async function checkHead(
  reader: RangeReader,
  document: BundleDocument,
  plan: PlannedTar,
  signal?: AbortSignal,
): Promise<void> {
  const pieces = [...bundleFiles(document)].flatMap(([name, bytes]) => [
    encodeHeader(name, bytes.length),
    bytes,
    Buffer.alloc(paddingOf(bytes.length)),
  ]);
  const expected = Buffer.concat(pieces);
  const found = await readRange(reader, 0, expected.length, signal);
  const differs = expected.findIndex((byte, index) => byte !== found[index]);
  if (differs !== -1) {
    const entry = plan.entries[entryAt(plan, differs)]?.name ?? 'it';
    throw layoutInvalid(placeAt(reader, differs), `${entry} is not what bundle.json demands`);
  }
  const last = plan.entries[entryAt(plan, reader.size)]?.name ?? 'its end';
  if (reader.size < plan.size) throw cutOff(reader, last, plan.size);
  if (reader.size > plan.size)
    throw layoutInvalid(placeAt(reader, plan.size), `it has ${reader.size - plan.size} bytes after its end`);
}

const imagesInFlight = 16;

/** Checks that the document lists exactly what its images consist of. */
async function checkContent(document: BundleDocument, layout: Layout, signal?: AbortSignal): Promise<void> {
  const { images, blobs, absent } = document;
  const { files } = layout;
  const wrong = (what: string) => layoutInvalid(files.placeOf('bundle.json'), what);
  if (canonicalJson(withOffsets(blobs.map(([digest, size]) => [digest, size]))) !== canonicalJson(blobs))
    throw wrong('its offsets are wrong');
  const there = new Map<string, number>(blobs.map(([digest, size]) => [digest, size]));
  const away = new Map<string, number>(absent.map(({ digest, size }) => [digest, size]));
  if (there.size < blobs.length || away.size < absent.length || absent.some(({ digest }) => there.has(digest)))
    throw wrong('it lists a blob twice');
  const names = images.map(({ image }) => image);
  if (names.some((name, index) => index > 0 && name <= (names[index - 1] ?? '')))
    throw wrong('its images are not sorted, or one is there twice');
  const used = new Set<string>();
  const roots = images.flatMap(({ image, digest, mediaType, referrers }) => [
    { image, digest, mediaType },
    ...referrers.map((referrer) => ({ image, digest: referrer.digest, mediaType: referrer.mediaType })),
  ]);
  await inParallel(roots, imagesInFlight, signal, async ({ image, digest, mediaType }, each) => {
    const {
      manifests,
      blobs: parts,
      root,
    }: Image = await loadImage(await layout.manifest(digest, each), (child) => layout.manifest(child, each)).catch(
      (error: unknown) => {
        if (!(error instanceof FactoryError) || error.name === 'BundleInvalid') throw error;
        throw layoutInvalid(files.placeOf(blobPath(digest)), `${image}: ${error.message}`, error);
      },
    );
    if (root.mediaType !== mediaType) throw wrong(`${digest} is ${root.mediaType}, not ${mediaType}`);
    for (const manifest of manifests) used.add(manifest.digest);
    for (const blob of parts) {
      used.add(blob.digest);
      const size = there.get(blob.digest) ?? away.get(blob.digest);
      if (size === undefined) throw wrong(`it lacks blob ${blob.digest} of ${image}`);
      if (size !== blob.size) throw wrong(`blob ${blob.digest} of ${image} has ${blob.size} bytes, not ${size}`);
    }
  });
  const unused = [...there.keys(), ...away.keys()].find((digest) => !used.has(digest));
  if (unused !== undefined) throw wrong(`no image has ${unused}`);
}
