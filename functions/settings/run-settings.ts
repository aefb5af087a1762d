import type { HarnessModule, InfrastructureType } from '../harness/scope.ts';
import { formatLocation, type RegistryLocation } from '../oci/spec/reference.ts';
import type { Platform } from '../oci/spec/platform.ts';
import type { ReferrersPolicy } from '../oci/registry/referrers.ts';
import { noBundle } from './bundle-address.ts';
import type { Configuration } from './configuration.ts';
import type { ExtraImage } from './extra-image.ts';
import type { ExtraSet } from './extra-sets.ts';
import { fieldsOf, type FieldSet } from './field-sets.ts';
import type { Input } from './input-schema.ts';
import type { ListedImage } from './listed-image.ts';
import { officialName, withoutPlace } from './official-name.ts';
import { sourceLocation } from './official-sources.ts';
import { type AllowedFinding, type ScanSettings, scanSettings } from './scan-settings.ts';

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

/** Returns `undefined` for an input that lacks what `impossible` asks for. */
export function settingsOf(data: Input, given: object, configuration: Configuration): RunSettings | undefined {
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
export function usesRegistry({ action, bundle }: Input): boolean {
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

function unique<T>(values: T[]): T[] {
  return [...new Set(values)];
}
