import { createHash } from 'node:crypto';
import { FactoryError } from '../errors.ts';
import { isMismatch } from '../oci/copy/verified-stream.ts';
import { planBundleTar } from './bundle-files.ts';
import type { Slice, TarCarrier } from './carrier.ts';
import type { BundleDocument } from './document.ts';
import type { BundlePlan } from './plan-bundle.ts';
import { TarStream } from './tar-stream.ts';

interface PartsWriting {
  /** The document of the bundle whose parts were lost. */
  readonly document: BundleDocument;
  /** Numbers of the parts, from 1. */
  readonly numbers: readonly number[];
  /** sha256 of the parts as they were, by their numbers. A part with another sum does not get its name. */
  readonly sums?: ReadonlyMap<number, string>;
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes some parts of a bundle again, and reads only the blobs that they hold. They have the same bytes as before.
 *
 * @throws {FactoryError} `InvalidInput` when there is no such part, or the sources have other images by now.
 */
export async function writeParts(plan: BundlePlan, carrier: TarCarrier, writing: PartsWriting): Promise<void> {
  const { document, numbers } = writing;
  if (plan.document.id !== document.id) {
    throw new FactoryError('InvalidInput', `the images at the sources differ from those of the bundle ${document.id}`, {
      hint: 'Export the bundle again: its parts can no longer be made.',
    });
  }
  const tar = planBundleTar(document);
  const stream = new TarStream(document, plan, tar);
  for (const [number, slice] of findParts(carrier, tar.size, numbers)) {
    const write = () => writePart(stream, carrier, { number, slice }, writing);
    // One wrong transfer is cured by another.
    await write().catch((error: unknown) => (isMismatch(error) ? write() : Promise.reject(error)));
  }
}

/** Returns parts of a tar by their numbers. Throws `InvalidInput` for a number that it does not have. */
export function findParts(
  carrier: Pick<TarCarrier, 'name' | 'slices'>,
  size: number,
  numbers: readonly number[],
): Map<number, Slice> {
  const slices = carrier.slices(size);
  return new Map(
    numbers.map((number) => {
      const slice = slices[number - 1];
      if (slice) return [number, slice];
      throw new FactoryError('InvalidInput', `${carrier.name} has no part ${number}: it has ${slices.length}`, {
        hint: 'Name parts by their numbers, and give the size of the parts with which the bundle was exported.',
      });
    }),
  );
}

async function writePart(
  stream: TarStream,
  carrier: TarCarrier,
  { number, slice }: { number: number; slice: Slice },
  { sums, onBytes, signal }: PartsWriting,
): Promise<void> {
  if (!carrier.createPart) throw new TypeError(`${carrier.name} has no parts`);
  const sum = createHash('sha256');
  let written = 0;
  const writer = await carrier.createPart(slice);
  try {
    for await (const piece of stream.pieces(slice.start, slice.end, { signal })) {
      await writer.write(piece, signal);
      sum.update(piece);
      written += piece.length;
      onBytes?.(piece.length);
    }
    const expected = sums?.get(number);
    if (expected !== undefined && sum.digest('hex') !== expected) {
      throw new FactoryError('InvalidInput', `the sum of ${slice.name} would differ from that in the file of sums`, {
        hint: 'Give the size of the parts with which the bundle was exported: --part-size.',
      });
    }
    await writer.complete();
  } catch (error) {
    // It is written from its start again.
    if (isMismatch(error)) onBytes?.(-written);
    throw error;
  } finally {
    await writer.close();
  }
}
