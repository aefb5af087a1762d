import type { RegistryProcess } from './registry.ts';
import type { BenchImage } from './workloads.ts';

/** The result of an attempt: a measurement, or the reason of its failure. */
export type Outcome<Measured> = { readonly measurement: Measured } | { readonly failure: string };

/** Measures, and turns an error into a failure unless the benchmark was interrupted. */
export async function attempt<Measured>(
  measuring: () => Promise<Measured>,
  signal?: AbortSignal,
): Promise<Outcome<Measured>> {
  try {
    return { measurement: await measuring() };
  } catch (error) {
    signal?.throwIfAborted();
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

/** Returns the measurement of median wall time, or the first failure. */
export function median<Measured extends { wallMs: number }>(outcomes: readonly Outcome<Measured>[]): Outcome<Measured> {
  const measurements = [];
  for (const outcome of outcomes) {
    if ('failure' in outcome) return outcome;
    measurements.push(outcome.measurement);
  }
  const sorted = measurements.toSorted((a, b) => a.wallMs - b.wallMs);
  const measurement = sorted[Math.floor((sorted.length - 1) / 2)];
  return measurement ? { measurement } : { failure: 'not measured' };
}

export function inWords(outcome: Outcome<{ wallMs: number }>): string {
  return 'failure' in outcome ? outcome.failure : `${(outcome.measurement.wallMs / 1000).toFixed(2)} s`;
}

/** Throws unless the target has every manifest: a fast copy must be complete. */
export async function checkArrival(target: RegistryProcess, images: readonly BenchImage[]): Promise<void> {
  for (const { repository, tag, digests } of images) {
    for (const [i, digest] of digests.entries()) {
      const name = i === 0 ? tag : digest;
      const arrived = await target.digestOf(repository, name);
      if (arrived !== digest) throw new Error(`${repository}:${name} is ${arrived ?? 'absent'}, not ${digest}`);
    }
  }
}
