import { FactoryError } from '../errors.ts';
import { inParallel } from '../async/in-parallel.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import { parseReference, type RegistryLocation, tagOrDigest } from '../oci/spec/reference.ts';
import type { ResolvedImage } from '../overrides/pulls.ts';
import type { Pull } from '../state/documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';

const lookupsInFlight = 16; // Survives mutation: the number of parallel requests decides the speed alone.

/** Looks for the images that pods would pull: at our registry only, by one HEAD each unless `known` has the status. */
export async function findPulls(
  images: readonly ResolvedImage[],
  { registry }: RegistryLocation,
  known: ReadonlyMap<string, Pull['status']>,
  { runtime, signal }: TaskRun,
): Promise<Pull[]> {
  const pulls: Pull[] = [];
  await inParallel([...images.entries()], lookupsInFlight, signal, async ([index, image], lookup) => {
    const { reference, resolved, fields, official } = image;
    const status = await statusOf();
    pulls[index] = { reference, status, fields, ...(official !== undefined && { official }) };

    async function statusOf(): Promise<Pull['status']> {
      if (!resolved) return 'unknown';
      const name = parseReference(reference);
      if (name.registry !== registry) return 'elsewhere';
      const status = known.get(reference);
      if (status !== undefined) return status;
      try {
        const digest = await resolveTag(runtime.repository(name), tagOrDigest(name), {
          signal: lookup,
          absence: 'likely',
        });
        return digest === undefined ? 'missing' : 'present';
      } catch (error) {
        lookup.throwIfAborted();
        // Rights to the prefix alone are common: a refusal outside it must not end the run.
        if (!(error instanceof FactoryError)) throw error;
        return 'unknown';
      }
    }
  });
  return pulls;
}
