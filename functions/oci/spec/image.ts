import { FactoryError } from '../../errors.ts';
import type { Digest } from './digest.ts';
import { type Descriptor, type Manifest, manifestLimits } from './manifest.ts';
import { isIndexType, isManifestType } from './media-type.ts';
import { printable } from '../../text/printable.ts';

/** A manifest or blob of an image. `size` is the size of the blob in bytes; a blob of another size is incomplete. */
export type Piece = { kind: 'manifest'; digest: Digest } | { kind: 'blob'; digest: Digest; size: number };

/** All content below one manifest. */
export interface Image {
  readonly root: Manifest;
  /** Each manifest once, children before their parents, the root last: the order in which they can be pushed. */
  readonly manifests: readonly Manifest[];
  /** Each blob once. */
  readonly blobs: readonly Descriptor[];
  /** Bytes of all blobs. */
  readonly size: number;
}

/**
 * Walks from a root manifest to all it refers to, siblings in parallel. `read` gets a manifest by digest. One for
 * which it returns `undefined` is left out, with all below it.
 * Throws `ManifestInvalid` when limits are exceeded or descriptors contradict each other, and what `read` throws.
 */
export async function loadImage(
  root: Manifest,
  read: (digest: Digest) => Promise<Manifest | undefined>,
): Promise<Image> {
  const manifests = new Map<Digest, Manifest>();
  const blobs = new Map<Digest, Descriptor>();
  // Indexes may share children: each is read once.
  const reads = new Map<Digest, Promise<Manifest | undefined>>();
  let descriptors = 0;
  let bytes = root.bytes.length;
  await visit(root, 0);
  const sorted = [...blobs.values()];
  return {
    root,
    manifests: [...manifests.values()],
    blobs: sorted,
    size: sorted.reduce((sum, { size }) => sum + size, 0),
  };

  async function visit(manifest: Manifest, depth: number): Promise<void> {
    if (depth > manifestLimits.depth) throw tooMuch(`indexes nested deeper than ${manifestLimits.depth}`);
    descriptors += manifest.manifests.length + manifest.blobs.length;
    if (descriptors > manifestLimits.descriptors) throw tooMuch(`more than ${manifestLimits.descriptors} descriptors`);
    const known = new Set([...reads.keys(), ...manifest.manifests.map(({ digest }) => digest)]);
    // The root is not among those that are read.
    if (1 + known.size > manifestLimits.manifests) throw tooMuch(`more than ${manifestLimits.manifests} manifests`);
    // Every descriptor is checked: two of one digest may contradict each other.
    await Promise.all(manifest.manifests.map((child) => visitChild(child, depth)));
    for (const blob of manifest.blobs) addBlob(blob);
    manifests.set(manifest.digest, manifest);
  }

  async function visitChild(child: Descriptor, depth: number): Promise<void> {
    if (!isManifestType(child.mediaType)) {
      const type = printable(child.mediaType);
      throw new FactoryError('ManifestUnsupported', `${root.digest} lists ${child.digest} of type "${type}"`, {
        hint: 'Leave the image out: only Docker schema 2 and OCI manifests can be copied.',
      });
    }
    const manifest = await (reads.get(child.digest) ?? readChild(child));
    if (!manifest) return;
    if (manifest.bytes.length !== child.size) {
      throw contradiction(`manifest ${child.digest} has ${manifest.bytes.length} bytes, its index says ${child.size}`);
    }
    if (isIndexType(child.mediaType) !== isIndexType(manifest.mediaType)) {
      throw contradiction(`manifest ${child.digest} is ${manifest.mediaType}, its index says ${child.mediaType}`);
    }
    await visit(manifest, depth + 1);
  }

  /** Reads a child unless it is too large. A manifest of another size than its descriptor says is refused later. */
  function readChild({ digest, size }: Descriptor): Promise<Manifest | undefined> {
    bytes += size;
    if (bytes > manifestLimits.allBytes) throw tooMuch(`manifests of more than ${manifestLimits.allBytes} bytes`);
    const reading = read(digest);
    reads.set(digest, reading);
    return reading;
  }

  function addBlob(blob: Descriptor): void {
    const known = blobs.get(blob.digest);
    if (known && known.size !== blob.size) {
      throw contradiction(`blob ${blob.digest} has ${known.size} bytes in one place and ${blob.size} in another`);
    }
    if (!known) blobs.set(blob.digest, blob);
  }

  function tooMuch(what: string): FactoryError {
    return new FactoryError('ManifestInvalid', `image ${root.digest} has ${what}`, {
      hint: 'Use another source registry: no real image is that large, so this one is broken or hostile.',
    });
  }

  function contradiction(what: string): FactoryError {
    return new FactoryError('ManifestInvalid', what, {
      hint: 'Compare with another source registry: the image contradicts itself.',
    });
  }
}
