import { FactoryError } from '../errors.ts';
import type { Source } from '../oci/registry/source.ts';
import type { Descriptor } from '../oci/spec/manifest.ts';

/** Reads a blob from byte `start`. Where a source fails, continues with the next. */
export async function* readFrom(
  sources: readonly Source[],
  blob: Descriptor,
  start: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = start;
  let first: unknown;
  for (const source of sources) {
    try {
      for await (const piece of source.blob(blob, { start: at, signal })) {
        at += piece.length;
        yield piece;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FactoryError)) throw error;
      // The first failure says more than that of a source tried after it.
      first ??= error;
    }
  }
  throw first;
}
