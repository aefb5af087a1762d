import { FactoryError } from '../errors.ts';
import { formatLocation, type ImageName, maxNameLength, type RegistryLocation, relocate } from '../oci/reference.ts';

/**
 * An execution ends when its history has 25,000 events (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
 * A copy adds 11, and 9 more each time it goes on in another call: this leaves half of them for that, and for retries.
 */
const mostCopies = 1_000;

/** Throws `InvalidInput` when there are more copies than one execution of the workflow can carry. */
export function checkCopies(waves: readonly (readonly number[])[]): void {
  const copies = waves.flat().length;
  if (copies <= mostCopies) return;
  throw new FactoryError('InvalidInput', `${copies} images are to be copied; one run can copy ${mostCopies}`, {
    hint: 'Copy them in several runs, with fewer extra_images each; what is there already does not count.',
  });
}

/** Throws `InvalidInput` when a prefix makes the names of repositories longer than registries take. */
export function checkTargetNames(images: readonly ImageName[], registry: RegistryLocation): void {
  const names = images.map((image) => relocate(image, registry).repository);
  const excess = Math.max(0, ...names.map(({ length }) => length - maxNameLength));
  if (excess === 0) return;
  const longest = names.find(({ length }) => length - maxNameLength === excess) ?? '';
  throw new FactoryError(
    'InvalidInput',
    `with the prefix of ${formatLocation(registry)}, ${longest} is longer than the ${maxNameLength} characters that a repository's name may have`,
    {
      hint: `Take ${excess} characters off the prefix of registry (REGISTRY_NAME), or leave the image out.`,
      problems: [
        {
          path: '$.registry',
          found: formatLocation(registry),
          allowed: `a prefix of at most ${Math.max(0, registry.prefix.length - excess)} characters`,
        },
      ],
    },
  );
}
