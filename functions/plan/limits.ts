import { FactoryError } from '../errors.ts';
import {
  formatLocation,
  type ImageName,
  maxNameLength,
  type RegistryLocation,
  relocate,
} from '../oci/spec/reference.ts';
import { parseArn } from '../text/arn.ts';

/**
 * Limit on copies. An execution ends when its history has 25,000 events
 * (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html). A copy adds 11 events, 9 more for each
 * further call, and 3 for each retry. A rollback that waits half a day for Harness adds 1,200. This limit uses half of
 * the history.
 */
const mostCopies = 1_000;

/**
 * Limit on builds by a state machine. Each is polled up to 20 times until its deadline, each time in another call. At
 * 200 events per build, this limit leaves a fifth of the history for retries.
 */
const mostBuilds = 100;

/**
 * Throws `InvalidInput` when there are more copies than one execution of the workflow can hold. `template` is the ARN
 * of the template that builds the images instead of copying them.
 */
export function checkCopies(waves: readonly (readonly number[])[], template?: string): void {
  const copies = waves.flat().length;
  const isBuilt = template !== undefined && parseArn(template).service === 'states';
  const [most, verb, done] = isBuilt ? [mostBuilds, 'build', 'built'] : [mostCopies, 'copy', 'copied'];
  if (copies <= most) return;
  throw new FactoryError('InvalidInput', `${copies} images must be ${done}; one run can ${verb} at most ${most}`, {
    hint: 'Divide extra_images, extra_sets or include_sets over several runs with "modify_default": false, and switch last: docs/scale.md. Images that are already at the registry do not count.',
  });
}

/** Throws `InvalidInput` when the prefix makes a repository name longer than registries accept. */
export function checkTargetNames(images: readonly ImageName[], registry: RegistryLocation): void {
  const names = images.map((image) => relocate(image, registry).repository);
  const excess = Math.max(0, ...names.map(({ length }) => length - maxNameLength));
  if (excess === 0) return;
  const longest = names.find(({ length }) => length - maxNameLength === excess) ?? '';
  throw new FactoryError(
    'InvalidInput',
    `with the prefix of ${formatLocation(registry)}, ${longest} is longer than ${maxNameLength} characters, the limit for the name of a repository`,
    {
      hint: `Shorten the prefix of registry (REGISTRY_NAME) by ${excess} characters, or leave the image out.`,
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
