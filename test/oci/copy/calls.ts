import type { Checkpoint } from '../../../functions/oci/copy/checkpoint.ts';
import {
  type CopiedImage,
  copyImage,
  type CopyOptions,
  type CopyProgress,
  type CopyTotals,
} from '../../../functions/oci/copy/copy-image.ts';
import { Deadline, Paused } from '../../../functions/oci/copy/deadline.ts';
import type { Clock } from '../../../functions/oci/registry/clock.ts';
import type { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Source } from '../../../functions/oci/registry/source.ts';

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

export type CallOptions = Partial<CopyOptions> & {
  /** Bytes that may move in one call. */
  bytes: number;
  clock?: ByteClock;
  /** Called with the progress; may end the pauses (`clock.ring`). */
  watch?: (event: CopyProgress, clock: ByteClock) => void;
};

/** A call that ended before the image was copied, and what it stored for the next. */
export interface PausedCall extends CopyTotals {
  paused: Paused;
  checkpoint: Checkpoint;
}

/** Makes one call of a copy. Its checkpoint has been through JSON, as in a store. */
export async function call(
  source: Source,
  tag: string,
  destination: Repository,
  { bytes, clock = new ByteClock(), watch, ...more }: CallOptions,
): Promise<CopiedImage | PausedCall> {
  let stored: Omit<PausedCall, 'paused'> | undefined;
  const onCheckpoint = async (checkpoint: Checkpoint, totals: CopyTotals) => {
    stored = { checkpoint: JSON.parse(JSON.stringify(checkpoint)) as Checkpoint, ...totals };
  };
  const onProgress = (event: CopyProgress) => {
    if (event.kind === 'transferred') clock.pass(event.bytes);
    watch?.(event, clock);
  };
  const deadline = clock.deadline(bytes);
  try {
    return await copyImage(source, destination, { tag, onProgress, onCheckpoint, deadline, ...more });
  } catch (paused) {
    if (!(paused instanceof Paused) || !stored) throw paused;
    return { paused, ...stored };
  }
}

/** Makes one call that must end before the image is copied. */
export async function pausedCall(...parameters: Parameters<typeof call>): Promise<PausedCall> {
  const result = await call(...parameters);
  if (!('paused' in result)) throw new Error('it is done already');
  return result;
}

/** Calls until the image is copied, 100 times at most. */
export async function callUntilDone(
  source: Source,
  tag: string,
  destination: Repository,
  options: CallOptions & { between?: (paused: PausedCall, calls: number) => unknown },
): Promise<{ calls: number; copied: CopiedImage }> {
  const { between, ...rest } = options;
  let { checkpoint } = rest;
  for (let calls = 1; calls <= 100; calls++) {
    const result = await call(source, tag, destination, { ...rest, checkpoint });
    if (!('paused' in result)) return { calls, copied: result };
    checkpoint = (await between?.(result, calls)) ?? result.checkpoint;
  }
  throw new Error('it never ends');
}
