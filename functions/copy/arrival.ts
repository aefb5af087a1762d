import { FactoryError } from '../errors.ts';
import type { Digest } from '../oci/spec/digest.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import { formatReference, type Reference } from '../oci/spec/reference.ts';

/** Checks that the registry resolves the tag to the pushed digest. */
export async function checkArrival(
  destination: Parameters<typeof resolveTag>[0],
  target: Reference,
  digest: Digest,
  signal?: AbortSignal,
): Promise<void> {
  const arrived = await resolveTag(destination, target.tag ?? digest, { signal });
  if (arrived === digest) return;
  throw new FactoryError(
    'DigestMismatch',
    `${formatReference(target)} is ${arrived ?? 'absent'} after ${digest} was pushed`,
    {
      hint: 'Give the factory its own prefix: something else pushes to the same tag, or the registry rewrites manifests.',
    },
  );
}
