import type * as z from 'zod';
import type { Problem } from '../errors.ts';
import { formatLocation, type RegistryLocation, tagOrDigest } from '../oci/spec/reference.ts';
import { formatPlatform } from '../oci/spec/platform.ts';
import { impossibleCarriage } from './carriage.ts';
import type { Configuration } from './configuration.ts';
import { type ExtraImage, formatExtraImage } from './extra-image.ts';
import { type Input, inputSchema } from './input-schema.ts';
import { officialName } from './official-name.ts';
import { sourceLocation } from './official-sources.ts';
import { isCovered, isSameLocation } from './registry-location.ts';
import { usesRegistry } from './run-settings.ts';
import { impossibleScans } from './scan-settings.ts';

/** Returns the contradictions within the valid part of an input, except problems that were already reported. */
export function impossibleDespite(error: z.ZodError, input: unknown, configuration: Configuration): Problem[] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return [];
  const bad = new Set(
    error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : issue.path.slice(0, 1))),
  );
  const rest = inputSchema.safeParse(Object.fromEntries(Object.entries(input).filter(([key]) => !bad.has(key))));
  const complaints = rest.success ? impossible(rest.data, configuration) : [];
  return complaints.filter(({ path }) => !bad.has(path.slice('$.'.length)));
}

/** Returns the problems of an input whose values are valid one by one but cannot be combined. */
export function impossible(input: Input, configuration: Configuration): Problem[] {
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
