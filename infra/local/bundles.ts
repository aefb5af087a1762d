import { stat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { planBundleTar } from '../../functions/bundle/bundle-files.ts';
import { type BundleAddress, type Companions, parseBundleAddress } from '../../functions/bundle/carrier.ts';
import { type BundleDocument, encodeDocument } from '../../functions/bundle/document.ts';
import { fileCarrier, fileCompanions, fileSource } from '../../functions/bundle/file-carrier.ts';
import { unfinishedFiles } from '../../functions/bundle/file-writer.ts';
import { type Bundle, type BundlePlace, openBundle } from '../../functions/bundle/open-bundle.ts';
import type { BundlePlan } from '../../functions/bundle/plan-bundle.ts';
import type { Base } from '../../functions/bundle/receipt.ts';
import { billOfMaterials } from '../../functions/bundle/sbom.ts';
import type { BundleSigner, VerifyKey } from '../../functions/bundle/signature.ts';
import { streamCarrier } from '../../functions/bundle/stream-carrier.ts';
import { verifyBundle } from '../../functions/bundle/verify-bundle.ts';
import { writeFolder } from '../../functions/bundle/write-folder.ts';
import { writeParts } from '../../functions/bundle/write-parts.ts';
import { isWritten, writeTar } from '../../functions/bundle/write-tar.ts';
import { FactoryError } from '../../functions/errors.ts';
import { folderFiles } from '../../functions/oci/layout/folder-files.ts';
import { blobPath } from '../../functions/oci/layout/layout.ts';
import type { Bundles } from '../../functions/runtime/bundles.ts';
import { reasonOf } from './file-failure.ts';
import type { LostParts } from './lost-parts.ts';
import { homeForAwsSdk } from './user-folder.ts';

export interface LocalBundleOptions {
  /** Bytes of each part of a tar. Default: one file. */
  partBytes?: number | undefined;
  /** The parts of an earlier bundle that are written again, and nothing else. */
  lost?: LostParts | undefined;
  bases?: readonly Base[];
  signer?: BundleSigner | undefined;
  /** Bundles without a signature of this key are refused. */
  verifyKey?: VerifyKey | undefined;
  /** Returns the free bytes of a folder's file system. */
  freeBytes?: (folder: string) => Promise<number>;
}

/** The bundles that a command reads and writes: tars, perhaps in parts, folders, objects in S3, and standard output. */
export class LocalBundles implements Bundles {
  readonly bases: readonly Base[];
  readonly again: LostParts | undefined;
  readonly #options: LocalBundleOptions;

  constructor(options: LocalBundleOptions = {}) {
    this.#options = options;
    this.bases = options.bases ?? [];
    this.again = options.lost;
  }

  async open(address: string, signal?: AbortSignal): Promise<Bundle> {
    const { place, companions } = await openPlace(parseBundleAddress(address), signal);
    const bundle = await openBundle(place, signal);
    try {
      await this.#options.verifyKey?.check(bundle.documentBytes, companions, address);
      return bundle;
    } catch (error) {
      await bundle.close();
      throw error;
    }
  }

  async verify(address: string, options: Parameters<Bundles['verify']>[1]): ReturnType<Bundles['verify']> {
    const { place, companions } = await openPlace(parseBundleAddress(address), options.signal);
    const { verifyKey } = this.#options;
    return verifyBundle(place, {
      ...options,
      companions,
      onOpen: async ({ documentBytes }) => verifyKey?.check(documentBytes, companions, address),
    });
  }

  async write(...[plan, address, options]: Parameters<Bundles['write']>): ReturnType<Bundles['write']> {
    const place = parseBundleAddress(address);
    const { size } = planBundleTar(plan.document);
    if (this.again) {
      await this.#writeAgain(plan, address, this.again, options);
      return { document: plan.document, size, resumedAt: 0, parts: this.again.numbers };
    }
    const writing = {
      ...options,
      accompany: async (document: BundleDocument) => this.#accompany(document, options.signal),
    };
    if (place.kind === 'tar') {
      const carrier = fileCarrier(place.path, this.#options);
      if (!(await isWritten(carrier, size))) await this.#checkSpace(place.path, size - (await bytesBegun(place.path)));
      return writeTar(plan, carrier, writing);
    }
    this.#refuseParts();
    if (place.kind === 's3') {
      const { object, writeObject } = await objectIn(place);
      return writeObject(plan, object, writing);
    }
    if (place.kind === 'stream') {
      options.onNote('standard output: a stream has no parts, and an interrupted export of it cannot be resumed');
      return withReason(() => writeTar(plan, streamCarrier('standard output', process.stdout), writing));
    }
    await this.#checkSpace(place.path, plan.document.totals.bytes - (await bytesThere(plan.document, place.path)));
    const { document } = await writeFolder(plan, place.path, writing);
    return { document, size: document.totals.bytes, resumedAt: 0 };
  }

  async #writeAgain(
    plan: BundlePlan,
    path: string,
    { document, partBytes, numbers, sums, bytes, notes }: LostParts,
    options: Parameters<Bundles['write']>[2],
  ): Promise<void> {
    for (const note of notes) options.onNote(note);
    await this.#checkSpace(path, bytes);
    await writeParts(plan, fileCarrier(path, { partBytes }), { ...options, document, numbers, sums });
  }

  #refuseParts(): void {
    if (this.#options.partBytes === undefined) return;
    throw new FactoryError('InvalidInput', '--part-size is for a file NAME.tar: nothing else is cut into parts', {
      hint: 'Leave --part-size out, or name a file that ends with .tar.',
    });
  }

  /** Returns the files beside a bundle: the list of what it holds, and its signature. */
  async #accompany(document: BundleDocument, signal?: AbortSignal) {
    const { signer } = this.#options;
    return new Map([
      ['sbom.cdx.json' as const, new Uint8Array(billOfMaterials(document))],
      ...(signer ? [['sig' as const, await signer.sign(encodeDocument(document), signal)] as const] : []),
    ]);
  }

  /** Compares the bytes that are still to be written with those that are free. Throws `DiskFull`. */
  async #checkSpace(path: string, needed: number): Promise<void> {
    const { freeBytes = freeOn } = this.#options;
    const folder = await nearestFolder(dirname(path));
    const free = await freeBytes(folder);
    if (needed <= free) return;
    throw new FactoryError(
      'DiskFull',
      `${path} needs ${prettyBytes(needed)} (${needed} bytes), and ${folder} has ${prettyBytes(free)} free`,
      {
        hint: 'Nothing was written. Free space, name another place with --to, or leave platforms out with "platforms".',
      },
    );
  }
}

/** Opens an object. Loads the AWS SDK only now: it doubles the start-up time. */
async function objectIn({ bucket, key }: { bucket: string; key: string }) {
  homeForAwsSdk();
  const [{ BucketObject }, functions] = await Promise.all([
    import('../../functions/aws/bucket-object.ts'),
    import('../../functions/aws/bundle-object.ts'),
  ]);
  return { object: new BucketObject(bucket, key), ...functions };
}

async function openPlace(
  address: BundleAddress,
  signal?: AbortSignal,
): Promise<{ place: BundlePlace; companions: Pick<Companions, 'read'> }> {
  switch (address.kind) {
    case 'tar': {
      const { reader, companions } = await fileSource(address.path);
      return { place: { reader }, companions };
    }
    case 'folder':
      return { place: { folder: address.path }, companions: fileCompanions(address.path) };
    case 's3': {
      const { object, objectSource } = await objectIn(address);
      const { reader, companions } = await objectSource(object, signal);
      return { place: { reader }, companions };
    }
    case 'stream':
      throw new FactoryError('InvalidInput', 'a bundle cannot be read from standard input: it is read more than once', {
        hint: 'Write it to a file first, and name the file with --from.',
      });
  }
}

async function freeOn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder).catch((cause: unknown) => {
    throw new FactoryError('StoreFailed', `the free space of ${folder} is unknown: ${reasonOf(cause)}`, {
      hint: 'Name a folder that can be read with --to.',
      cause,
    });
  });
  return bavail * bsize;
}

/** Returns the folder, or the nearest one above it that exists. */
async function nearestFolder(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  return found || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

/**
 * Returns the bytes of an interrupted export to a tar, which the next one continues, or deletes before it writes. A complete
 * tar stays until the new one is written.
 */
async function bytesBegun(path: string): Promise<number> {
  const paths = await unfinishedFiles(dirname(path), basename(path));
  const found = await Promise.all(paths.map((each) => stat(each).catch(() => undefined)));
  return found.reduce((sum, file) => sum + (file?.size ?? 0), 0);
}

/** Returns the bytes of a bundle that a folder has already. */
async function bytesThere({ blobs }: BundleDocument, folder: string): Promise<number> {
  const files = folderFiles(folder);
  const sizes = await Promise.all(blobs.map(([digest]) => files.size(blobPath(digest)).catch(() => undefined)));
  return blobs.reduce((sum, [, size], index) => sum + (sizes[index] === size ? size : 0), 0);
}

/** Names the failure of a stream whose reader ended early. */
async function withReason<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FactoryError || !Object.hasOwn(Object(cause), 'code')) throw cause;
    throw new FactoryError('StoreFailed', `cannot write the bundle to standard output: ${reasonOf(cause)}`, {
      hint: 'The reader ended early. Start both again: a stream cannot be resumed.',
      cause,
    });
  }
}
