import * as z from 'zod';
import { FactoryError, type Problem } from '../errors.ts';
import {
  harnessModules,
  infrastructureTypes,
  otherInfrastructureTypes,
  otherModules,
  type HarnessModule,
  type InfrastructureType,
} from '../harness/scope.ts';
import {
  formatLocation,
  isRepositoryName,
  parseTagOrDigest,
  type RegistryLocation,
  tagOrDigest,
} from '../oci/spec/reference.ts';
import { formatPlatform, parsePlatform, type Platform } from '../oci/spec/platform.ts';
import type { ReferrersPolicy } from '../oci/registry/referrers.ts';
import { bundleAddress, noBundle } from './bundle-address.ts';
import { impossibleCarriage } from './carriage.ts';
import type { Configuration } from './configuration.ts';
import { type ExtraImage, formatExtraImage, parseExtraImage } from './extra-image.ts';
import { type ExtraSet, extraSetNames } from './extra-sets.ts';
import { fieldSetNames, fieldsOf, type FieldSet } from './field-sets.ts';
import { type ListedImage, listedImage } from './listed-image.ts';
import { officialName, withoutPlace } from './official-name.ts';
import { sourceLocation } from './official-sources.ts';
import { countProblems, problemsOf } from './problems.ts';
import { isCovered, isSameLocation, registryLocation } from './registry-location.ts';
import { type AllowedFinding, impossibleScans, scanKeys, type ScanSettings, scanSettings } from './scan-settings.ts';
import { understoodInput } from './understood-input.ts';
import { bool, choice, globs, listed, listOf, parsed, text, wholeNumber } from './value-schemas.ts';

export const actions = ['sync', 'reset', 'plan', 'verify', 'restore', 'export', 'import', 'doctor'] as const;
export type Action = (typeof actions)[number];

/** Returns whether an action copies images to the registry, and switches Harness to them. */
export function copiesImages(action: Action): action is 'sync' | 'import' {
  return action === 'sync' || action === 'import';
}

/** The execution input, validated and with every default filled in. */
export type RunSettings = CommonSettings &
  (
    | { action: 'sync' | 'reset' | 'doctor' }
    | { action: 'restore'; restoreRun: string }
    /** `bundle`: the address that the bundle is written to or read from. */
    | { action: 'export' | 'import'; bundle: string }
    | { action: 'plan' | 'verify'; bundle: string | undefined }
  );

interface CommonSettings {
  /** The input as understood: the keys that were given, each with a value of its type. */
  input: Readonly<Record<string, unknown>>;
  registry: RegistryLocation;
  formerRegistry: RegistryLocation | undefined;
  infrastructureTypes: InfrastructureType[];
  includeWindowsRootless: boolean;
  modifyDefault: boolean;
  maxConcurrency: number;
  modules: HarnessModule[];
  sources: RegistryLocation[];
  /** Globs, and the fields of `includeSets`. */
  includeFields: string[];
  includeSets: FieldSet[];
  excludeFields: string[];
  /** Image name, as SaaS has it → tag or digest. */
  pins: Record<string, string>;
  extraImages: ExtraImage[];
  /** Lists of images that no field names. */
  extraSets: ExtraSet[];
  /** The images to export. Without them, Harness says which. */
  images: ListedImage[] | undefined;
  platforms: Platform[];
  onPartialFailure: 'abort' | 'update-succeeded';
  referrers: ReferrersPolicy;
  soakDays: number;
  /** Days after which `sync` checks an image again that is already at the registry. */
  recheckDays: number;
  resetScope: 'ours' | 'all';
  /** `relative`: overrides name an image without the registry, and each connector adds its own. */
  overrideValues: 'absolute' | 'relative';
  /** `undefined` when the run does not wait for scans. */
  scan: ScanSettings | undefined;
  /** Gives the connector the address of the registry. */
  manageConnector: boolean;
  prune: boolean;
  keepVersions: number;
  /** Reports entries that match nothing as warnings, not as errors. */
  allowUnmatched: boolean;
  /** The person or program that started the run, as the starter says. */
  startedBy: string | undefined;
  /** All entries that protect something, with their place in the input. */
  protective: ProtectiveEntry[];
}

/** An entry of the input that protects what it names. It must match something. */
export interface ProtectiveEntry {
  /**
   * `pin`: an image name. `field`: a glob on fields and images. `exclude`: one that applies to `extra_sets` too.
   * `scan`: a glob on images. `set`: a set of fields.
   */
  kind: 'pin' | 'field' | 'exclude' | 'scan' | 'set';
  /** JSON path. */
  path: string;
  /** The entry as given, in JSON. */
  found: string;
  /** The name without a registry; of a pin, as SaaS has it. */
  name: string;
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

const schema = z.strictObject(
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
  return Object.keys(schema.shape);
}

type Input = z.output<typeof schema>;
export type InputKey = keyof Input;

/** Returns an execution input with each value as its key takes it. A refused value stays as it is. */
export function understood(input: unknown): unknown {
  return understoodInput(input, schema.shape);
}

/**
 * Validates an execution input and fills in the defaults of the deployment. Throws `InvalidInput` with all problems at
 * once, each with its JSON path, the value found and the values allowed.
 */
export function parseExecutionInput(input: unknown, configuration: Configuration): RunSettings {
  const given = understood(input ?? {});
  const parsed = schema.safeParse(given);
  const problems = parsed.success
    ? impossible(parsed.data, configuration)
    : [...problemsOf(parsed.error, given, inputKeys()), ...impossibleDespite(parsed.error, given, configuration)];
  const settings =
    parsed.success && problems.length === 0 ? settingsOf(parsed.data, given as object, configuration) : undefined;
  if (!settings) {
    throw new FactoryError('InvalidInput', `the execution input has ${countProblems(problems)}`, {
      hint: 'Correct the input; docs/reference.md lists every key with its values.',
      problems,
    });
  }
  return settings;
}

/** Returns `undefined` for an input that lacks what `impossible` asks for. */
function settingsOf(data: Input, given: object, configuration: Configuration): RunSettings | undefined {
  const { action = 'sync', restore_run: restoreRun, bundle } = data;
  const registry = usesRegistry(data) ? (data.registry ?? configuration.registry) : officialRegistry;
  if (!registry) return undefined;
  const sources = data.source_registry ?? configuration.sources.map(sourceLocation);
  const places = [...sources, registry];
  const named = (glob: string) => withoutPlace(glob, places);
  const scan = scanSettings(data);
  const settings: CommonSettings = {
    input: { ...given, ...(data.registry && { registry: formatLocation(data.registry) }) },
    registry,
    formerRegistry: configuration.formerRegistry,
    infrastructureTypes: unique(data.infrastructure_type ?? ['K8']),
    includeWindowsRootless: data.include_windows_rootless ?? false,
    modifyDefault: data.modify_default ?? configuration.modifyDefault,
    maxConcurrency: data.max_concurrency ?? configuration.maxConcurrency,
    modules: unique(data.modules ?? ['ci']),
    sources,
    includeFields: [...(data.include_fields ?? []).map(named), ...fieldsOf(data.include_sets ?? [])],
    includeSets: unique(data.include_sets ?? []),
    excludeFields: (data.exclude_fields ?? []).map(named),
    pins: Object.fromEntries(
      Object.entries(data.pins ?? {}).map(([name, version]) => [officialName(name, places), version]),
    ),
    extraImages: data.extra_images ?? [],
    extraSets: unique(data.extra_sets ?? []),
    images: data.images,
    platforms: data.platforms ?? [],
    onPartialFailure: data.on_partial_failure ?? 'abort',
    referrers: data.referrers ?? 'off',
    soakDays: data.soak_days ?? 0,
    recheckDays: data.recheck_days ?? 7,
    resetScope: data.reset_scope ?? 'ours',
    overrideValues: data.override_values ?? 'absolute',
    scan: scan && { ...scan, allow: scan.allow.map((entry) => withImages(entry, named)) },
    manageConnector: data.manage_connector ?? false,
    prune: data.prune ?? false,
    keepVersions: data.keep_versions ?? 3,
    allowUnmatched: data.allow_unmatched ?? false,
    startedBy: data.started_by,
    protective: protectiveEntries(data, places),
  };
  switch (action) {
    case 'restore':
      return restoreRun === undefined ? undefined : { action, restoreRun, ...settings };
    case 'export':
    case 'import':
      return bundle === undefined ? undefined : { action, bundle, ...settings };
    case 'plan':
    case 'verify':
      return { action, bundle, ...settings };
    default:
      return { action, ...settings };
  }
}

/** Names the images of a bundle: `docker.io/harness/ci-addon`, wherever they come from. */
const officialRegistry: RegistryLocation = { registry: 'docker.io', prefix: '' };

/** Returns whether a job reads or writes the registry of the copies. */
function usesRegistry({ action, bundle }: Input): boolean {
  if (action === 'export') return false;
  return !(action === 'verify' && bundle !== undefined) && bundle !== noBundle;
}

function withImages(entry: AllowedFinding, named: (name: string) => string): AllowedFinding {
  return entry.images === undefined ? entry : { ...entry, images: entry.images.map(named) };
}

function protectiveEntries(data: Input, places: readonly RegistryLocation[]): ProtectiveEntry[] {
  const listed = (kind: ProtectiveEntry['kind'], path: string, names: readonly string[] = []) =>
    names.map((name, index) => ({
      kind,
      path: `${path}[${index}]`,
      found: JSON.stringify(name),
      name: withoutPlace(name, places),
    }));
  const pins = Object.keys(data.pins ?? {}).map((name): ProtectiveEntry => {
    const found = JSON.stringify(name);
    return { kind: 'pin', path: `$.pins[${found}]`, found, name: officialName(name, places) };
  });
  // Skip expired entries: they allow nothing, and have a warning of their own.
  const today = new Date().toISOString().slice(0, 10);
  const scans = (data.scan_allow ?? []).flatMap(({ images, until }, index) =>
    until < today ? [] : listed('scan', `$.scan_allow[${index}].images`, images),
  );
  return [
    ...pins,
    ...listed('field', '$.include_fields', data.include_fields),
    ...listed('set', '$.include_sets', data.include_sets),
    ...listed('exclude', '$.exclude_fields', data.exclude_fields),
    ...scans,
  ];
}

/** Returns the contradictions within the valid part of an input, except problems that were already reported. */
function impossibleDespite(error: z.ZodError, input: unknown, configuration: Configuration): Problem[] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return [];
  const bad = new Set(
    error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : issue.path.slice(0, 1))),
  );
  const rest = schema.safeParse(Object.fromEntries(Object.entries(input).filter(([key]) => !bad.has(key))));
  const complaints = rest.success ? impossible(rest.data, configuration) : [];
  return complaints.filter(({ path }) => !bad.has(path.slice('$.'.length)));
}

/** Returns the problems of an input whose values are valid one by one but cannot be combined. */
function impossible(input: Input, configuration: Configuration): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: string, found: string, allowed: string) => problems.push({ path, found, allowed });
  const action = input.action ?? 'sync';
  const registry = input.registry ?? configuration.registry;
  if (!registry && usesRegistry(input))
    refuse('$.registry', 'nothing', 'host[:port][/prefix], here or in REGISTRY_NAME');
  const own = configuration.confined && configuration.registry;
  // Reset and restore use no registry.
  if (input.registry && own && action !== 'reset' && action !== 'restore' && !isCovered(input.registry, own))
    refuse(
      '$.registry',
      JSON.stringify(formatLocation(input.registry)),
      `${formatLocation(own)}, or a prefix below it: the functions have permissions for no other ECR repositories. REGISTRY_NAME of the deployment sets it`,
    );
  if (action === 'restore' && input.restore_run === undefined) {
    refuse(
      '$.restore_run',
      'nothing',
      'the id of the run whose snapshot is put back: the name of its execution, or as "factory history" lists them',
    );
  }
  if (action !== 'restore' && input.restore_run !== undefined) {
    refuse(
      '$.restore_run',
      JSON.stringify(input.restore_run),
      `nothing with action ${action}: it is for action restore`,
    );
  }
  problems.push(...impossibleCarriage(input, configuration));
  const onlyVm = input.infrastructure_type?.every((type) => type === 'VM') ?? false;
  if (onlyVm && input.modules?.some((module) => module !== 'ci')) {
    refuse('$.infrastructure_type', '"VM"', 'K8 too with these modules: only module ci has images for VM');
  }
  if (
    input.include_windows_rootless &&
    input.platforms?.length &&
    !input.platforms.some(({ os }) => os === 'windows')
  ) {
    refuse(
      '$.platforms',
      input.platforms.map(formatPlatform).join(', '),
      'a windows platform too, with include_windows_rootless',
    );
  }
  const sources = input.source_registry ?? configuration.sources.map(sourceLocation);
  problems.push(...contradictoryPins(input.pins ?? {}, registry ? [...sources, registry] : sources));
  problems.push(...impossibleScans(input, registry, configuration));
  if (configuration.buildPushTemplate !== undefined) problems.push(...impossibleBuilds(input));
  if (input.prune && action !== 'sync' && action !== 'import')
    refuse('$.prune', 'true', `false with action ${action}: only sync and import prune`);
  if (input.prune && configuration.allowPrune === false)
    refuse('$.prune', 'true', 'false: this deployment deletes nothing, unless it is deployed with ALLOW_PRUNE=true');
  if (input.manage_connector && (action === 'reset' || action === 'restore'))
    refuse('$.manage_connector', 'true', `false with action ${action}: only sync changes the connector`);
  for (const image of input.extra_images ?? []) {
    const twin = input.extra_images?.find((other) => other.registry !== image.registry && isSameTarget(other, image));
    if (twin)
      refuse(
        '$.extra_images',
        formatExtraImage(image),
        `one of this name: ${formatExtraImage(twin)} would be stored in the same place`,
      );
  }
  // An input may name the registry alone: then nothing is copied, and Harness is switched to what is there.
  const isItself = input.source_registry?.length === 1;
  if (
    registry &&
    usesRegistry(input) &&
    !input.bundle &&
    !isItself &&
    sources.some((source) => isSameLocation(source, registry))
  ) {
    refuse(
      '$.source_registry',
      JSON.stringify(registry.registry),
      'another place than "registry": images would be copied onto themselves. An input may name it as the only one',
    );
  }
  return problems;
}

/** Returns a problem for each pair of pins that gives one image two versions under two spellings. */
function contradictoryPins(pins: Readonly<Record<string, string>>, places: readonly RegistryLocation[]): Problem[] {
  const held = new Map<string, { name: string; version: string }>();
  return Object.entries(pins).flatMap(([name, version]): Problem[] => {
    const image = officialName(name, places);
    const other = held.get(image);
    if (!other) held.set(image, { name, version });
    if (!other || other.version === version) return [];
    const allowed = `${other.version}, because ${JSON.stringify(other.name)} names the same image`;
    return [{ path: `$.pins[${JSON.stringify(name)}]`, found: version, allowed }];
  });
}

/** Returns whether two images are stored in the same place: copies are stored without the host of their source. */
function isSameTarget(a: ExtraImage, b: ExtraImage): boolean {
  const versionOf = (image: ExtraImage) => image.range?.text ?? tagOrDigest(image);
  return a.repository === b.repository && versionOf(a) === versionOf(b);
}

/** Returns the settings that cannot apply to built images, which have other digests than the official ones. */
function impossibleBuilds({ soak_days: soakDays = 0, referrers = 'off' }: Input): Problem[] {
  const rule = 'with BUILD_PUSH_TEMPLATE, whose images have digests of their own';
  return [
    ...(soakDays > 0 ? [{ path: '$.soak_days', found: `${soakDays}`, allowed: `0 ${rule}` }] : []),
    ...(referrers === 'off' ? [] : [{ path: '$.referrers', found: JSON.stringify(referrers), allowed: `off ${rule}` }]),
  ];
}

function unique<T>(values: T[]): T[] {
  return [...new Set(values)];
}
