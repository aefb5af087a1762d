import { FactoryError } from '../errors.ts';
import type { Source } from '../oci/registry/source.ts';
import { formatReference } from '../oci/spec/reference.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { CarriedBundle, CopiedImage } from '../state/documents.ts';

/**
 * Returns the source of an image of a bundle. Blobs that the bundle leaves out are read from the repository of the
 * target that the plan found them in, where the registry does not mount them.
 */
export async function bundleSource(
  { address, id }: CarriedBundle,
  { source, target, mounts }: CopiedImage,
  { runtime, signal }: TaskRun,
): Promise<Source> {
  const bundle = await runtime.bundle(address, signal);
  const { document } = bundle;
  if (document.id !== id) {
    throw new FactoryError('BundleInvalid', `${address} was replaced during the run: it is bundle ${document.id} now`, {
      hint: 'Start the import again: what was copied is kept.',
    });
  }
  const bundled = bundle.source(formatReference(source));
  const absent = new Set<string>(document.absent.map(({ digest }) => digest));
  return {
    ...bundled,
    blob: (blob, options) => {
      const repository = absent.has(blob.digest) ? mounts?.get(blob.digest) : undefined;
      if (repository === undefined) return bundled.blob(blob, options);
      return runtime.repository({ registry: target.registry, repository }).blob(blob, options);
    },
  };
}
