import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import type { CopyProgress } from '../../../functions/oci/copy/copy-blob.ts';
import type { CopiedImage } from '../../../functions/oci/copy/copy-image.ts';
import {
  copyImageInSteps,
  type PausedCopy,
  type SteppedCopy,
  type SteppedResult,
} from '../../../functions/oci/copy/copy-in-steps.ts';
import { Deadline } from '../../../functions/oci/copy/deadline.ts';
import { loadImage } from '../../../functions/oci/spec/image.ts';
import type { Clock } from '../../../functions/oci/registry/clock.ts';
import { getManifest } from '../../../functions/oci/registry/manifests.ts';
import type { Repository } from '../../../functions/oci/registry/repository.ts';

/** Bytes that move in a millisecond, for a clock that goes by them: what the engine expects of a network. */
const speed = (8 * 1024 * 1024) / 1_000;

/** Time that passes as bytes arrive, and rings when a test says so. */
export class ByteClock implements Clock {
  #now = Date.now();
  readonly #sleepers = new Set<() => void>();

  now(): number {
    return Math.floor(this.#now);
  }

  sleep(_: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#sleepers.add(resolve);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  pass(bytes: number): void {
    this.#now += Math.max(0, bytes) / speed;
  }

  ring(): void {
    for (const wake of this.#sleepers) wake();
    this.#sleepers.clear();
  }

  /** Returns a deadline by which `bytes` bytes can have moved; nothing begins in the last quarter. */
  deadline(bytes: number): Deadline {
    const time = bytes / speed;
    return new Deadline(this.#now + (time * 3) / 4, this.#now + time, this);
  }
}

export type CallOptions = Partial<SteppedCopy> & {
  /** Bytes that may move in one call. */
  bytes: number;
  clock?: ByteClock;
  /** Called with the progress; may end the pauses (`clock.ring`). */
  watch?: (event: CopyProgress, clock: ByteClock) => void;
};

/** Makes one call of a copy. Its result has been through JSON, as in a store. */
export async function call(
  source: Repository,
  tag: string,
  destination: Repository,
  { bytes, clock = new ByteClock(), watch, ...more }: CallOptions,
): Promise<SteppedResult> {
  const image = await loadImage(await getManifest(source, tag), (digest) => getManifest(source, digest));
  const onProgress = (event: CopyProgress) => {
    if (event.kind === 'transferred') clock.pass(event.bytes);
    watch?.(event, clock);
  };
  const deadline = clock.deadline(bytes);
  const copy = { source, destination, image, tag, ledger: new BlobLedger(), onProgress, deadline, ...more };
  const result = await copyImageInSteps(copy);
  return { ...result, checkpoint: JSON.parse(JSON.stringify(result.checkpoint)) as typeof result.checkpoint };
}

/** Calls until the image is copied, 100 times at most. */
export async function callUntilDone(
  source: Repository,
  tag: string,
  destination: Repository,
  options: CallOptions & { between?: (paused: SteppedResult & PausedCopy, calls: number) => unknown },
): Promise<{ calls: number; copied: CopiedImage }> {
  const { between, ...rest } = options;
  let { checkpoint } = rest;
  for (let calls = 1; calls <= 100; calls++) {
    const result = await call(source, tag, destination, { ...rest, checkpoint });
    if (!('paused' in result)) {
      const { checkpoint: _, ...copied } = result;
      return { calls, copied };
    }
    checkpoint = (await between?.(result, calls)) ?? result.checkpoint;
  }
  throw new Error('it never ends');
}
