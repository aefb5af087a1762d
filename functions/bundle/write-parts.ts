import { FactoryError } from '../errors.ts';
import { planBundleTar } from './bundle-files.ts';
import type { TarCarrier } from './carrier.ts';
import type { BundleDocument } from './document.ts';
import type { BundlePlan } from './plan-bundle.ts';
import { TarStream } from './tar-stream.ts';

interface PartsWriting {
  /** The document of the bundle whose parts were lost. */
  readonly document: BundleDocument;
  /** Numbers of the parts, from 1. */
  readonly numbers: readonly number[];
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes some parts of a bundle again, and reads only the blobs that they hold. They have the same bytes as before.
 *
 * @throws {FactoryError} `InvalidInput` when there is no such part, or the sources have other images by now.
 */
export async function writeParts(plan: BundlePlan, carrier: TarCarrier, writing: PartsWriting): Promise<void> {
  const { document, numbers, onBytes, signal } = writing;
  if (plan.document.id !== document.id) {
    throw new FactoryError('InvalidInput', `the sources have other images than the bundle ${document.id}`, {
      hint: 'Export the bundle again: its parts cannot be made any more.',
    });
  }
  const tar = planBundleTar(document);
  const stream = new TarStream(document, plan, tar);
  const slices = carrier.slices(tar.size);
  for (const number of numbers) {
    const slice = slices[number - 1];
    if (!slice || !carrier.createPart) {
      throw new FactoryError('InvalidInput', `${carrier.name} has no part ${number}: it has ${slices.length}`, {
        hint: 'Name parts by their numbers, and give the size of the parts with which the bundle was exported.',
      });
    }
    const writer = await carrier.createPart(slice);
    try {
      for await (const piece of stream.pieces(slice.start, slice.end, { signal })) {
        await writer.write(piece, signal);
        onBytes?.(piece.length);
      }
      await writer.complete();
    } finally {
      await writer.close();
    }
  }
}
