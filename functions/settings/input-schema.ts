import * as z from 'zod';
import { harnessModules, infrastructureTypes, otherInfrastructureTypes, otherModules } from '../harness/scope.ts';
import { isRepositoryName, parseTagOrDigest } from '../oci/spec/reference.ts';
import { parsePlatform } from '../oci/spec/platform.ts';
import { bundleAddress } from './bundle-address.ts';
import { parseExtraImage } from './extra-image.ts';
import { extraSetNames } from './extra-sets.ts';
import { fieldSetNames } from './field-sets.ts';
import { listedImage } from './listed-image.ts';
import { officialName } from './official-name.ts';
import { sourceLocation } from './official-sources.ts';
import { registryLocation } from './registry-location.ts';
import { scanKeys } from './scan-settings.ts';
import { understoodInput } from './understood-input.ts';
import { bool, choice, globs, listed, listOf, parsed, text, wholeNumber } from './value-schemas.ts';

export const actions = ['sync', 'reset', 'plan', 'verify', 'restore', 'export', 'import', 'doctor'] as const;
export type Action = (typeof actions)[number];

/** Returns whether an action copies images to the registry, and switches Harness to them. */
export function copiesImages(action: Action): action is 'sync' | 'import' {
  return action === 'sync' || action === 'import';
}

/**
 * Format of a run id, which is also the name of the execution:
 * https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
 */
export const runIdPattern =
  /^(?!\.{1,2}$)[^\s<>{}[\]?*"#%\\^|~`$&,;:/\p{Cc}\p{Cs}\uFFFE\uFFFF\u{10000}-\u{10FFFF}]{1,80}$/u;

const location = (allowed: string) => parsed(allowed, registryLocation);

/** Returns the reason to refuse each name of a set, in upper case, as a set of another key. */
function meantFor(names: readonly string[], key: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name.toUpperCase(), `it is a set of ${key}`]));
}

const pinName = 'an image name without a tag, such as harness/ci-addon';

/** Refuses the key `__proto__`: `z.record` skips it silently, and the pin would hold nothing. */
function refuseProto(value: unknown, context: z.RefinementCtx): unknown {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__')) {
    context.addIssue({ code: 'custom', message: pinName, input: value, path: ['__proto__'] });
  }
  return value;
}

/** More than any account has. Each one costs a lookup at its source. */
const maxExtraImages = 1_000;
const extraImagesText = `a list of at most ${maxExtraImages} image names`;

const listText = `a list of at most ${maxExtraImages} images, such as ["harness/ci-addon:1.18.27"]`;

/** The keys of an execution input, each with its values. */
export const inputSchema = z.strictObject(
  {
    action: choice(actions).optional(),
    registry: location('host[:port][/prefix], such as registry.example.com/harness-mirror').optional(),
    infrastructure_type: listOf(
      choice(infrastructureTypes, otherInfrastructureTypes),
      'K8, VM or a list of both',
    ).optional(),
    include_windows_rootless: bool.optional(),
    modify_default: bool.optional(),
    max_concurrency: wholeNumber(1, 40).optional(),
    modules: listOf(choice(harnessModules, otherModules), `a list of ${harnessModules.join(', ')}`).optional(),
    source_registry: listOf(
      parsed('dockerhub, gar, ecr-public or host[:port][/prefix]', sourceLocation),
      'dockerhub, gar, ecr-public, host[:port][/prefix], or a list of these',
    ).optional(),
    include_sets: listOf(
      choice(fieldSetNames, meantFor(extraSetNames, 'extra_sets')),
      `a list of ${fieldSetNames.join(', ')}`,
    ).optional(),
    include_fields: globs.optional(),
    exclude_fields: globs.optional(),
    pins: z
      .preprocess(
        refuseProto,
        z.record(
          text(pinName, (name) => isRepositoryName(officialName(name))),
          parsed('a tag or a digest (sha256:<64 hex>)', parseTagOrDigest),
          {
            error: (issue) =>
              issue.code === 'invalid_key'
                ? pinName
                : 'a map from image name to tag or digest, such as {"harness/ci-addon": "1.18.22"}',
          },
        ),
      )
      .optional(),
    extra_images: z
      .preprocess(
        listed,
        z
          .array(
            parsed(
              '[host/]namespace/name[:tag|:range|@digest], such as harness/delegate:25.10.1 or plugins/email:^1',
              parseExtraImage,
            ),
            {
              error: extraImagesText,
            },
          )
          .max(maxExtraImages, { error: extraImagesText }),
      )
      .optional(),
    extra_sets: listOf(
      choice(extraSetNames, meantFor(fieldSetNames, 'include_sets')),
      `a list of ${extraSetNames.join(', ')}`,
    ).optional(),
    bundle: parsed('a path, s3://BUCKET/KEY, or - for standard output', bundleAddress).optional(),
    images: z
      .preprocess(
        listed,
        z.array(listedImage, { error: listText }).min(1, { error: listText }).max(maxExtraImages, { error: listText }),
      )
      .optional(),
    platforms: z
      .preprocess(
        listed,
        z.array(parsed('os/architecture[/variant], such as linux/amd64', parsePlatform), {
          error: 'a list of platforms such as linux/amd64',
        }),
      )
      .optional(),
    ...scanKeys,
    on_partial_failure: choice(['abort', 'update-succeeded']).optional(),
    referrers: choice(['off', 'signatures', 'all']).optional(),
    soak_days: wholeNumber(0, 90).optional(),
    recheck_days: wholeNumber(0, 90).optional(),
    reset_scope: choice(['ours', 'all']).optional(),
    override_values: choice(['absolute', 'relative']).optional(),
    manage_connector: bool.optional(),
    prune: bool.optional(),
    keep_versions: wholeNumber(1, 50).optional(),
    allow_unmatched: bool.optional(),
    started_by: text('1 to 1000 characters in one line, such as the ARN of a role', (name) =>
      /^[^\p{Cc}]{1,1000}$/u.test(name),
    ).optional(),
    restore_run: text('a run id: the name of an execution, or as "factory history" lists them', (id) =>
      runIdPattern.test(id),
    ).optional(),
  },
  {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `one of ${inputKeys().join(', ')}` : 'a JSON object'),
  },
);

export function inputKeys(): string[] {
  return Object.keys(inputSchema.shape);
}

export type Input = z.output<typeof inputSchema>;
export type InputKey = keyof Input;

/** Returns an execution input with each value as its key takes it. A refused value stays as it is. */
export function understood(input: unknown): unknown {
  return understoodInput(input, inputSchema.shape);
}
