import { FactoryError } from '../errors.ts';
import { connectorPlace, connectorRegistry, resolveImage } from '../harness/image-resolution.ts';
import { isWindowsOnly } from '../harness/windows-fields.ts';
import { findPulls } from '../images/pulls.ts';
import { isLoopback } from '../http/host-patterns.ts';
import { isPresent } from '../images/images.ts';
import { formatLocation, formatReference, type RegistryLocation } from '../oci/spec/reference.ts';
import { shownAddress } from '../overrides/connector-change.ts';
import { type ImageConnector, readImageConnector } from '../overrides/image-connector.ts';
import { imageAtOurs, isOurs, relativeCopy } from '../overrides/override.ts';
import { nameOfField, pulledInstead, type ResolvedImage, resolveFields } from '../overrides/pulls.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { copiesImages } from '../settings/input-schema.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { BlockedSwitch, FieldChange, PlannedImage, Pull } from '../state/documents.ts';
import { readInventory } from '../state/inventory.ts';
import { ecrPasswordWarnings } from './ecr-password.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { connectorReachStep } from './reach.ts';
import type { TaskRun } from '../runtime/task-run.ts';

type ConnectorRead = ImageConnector | FactoryError;

/** Reads the connector of Harness's images, or returns the failure. */
export async function readConnector({ runtime, signal }: TaskRun): Promise<ConnectorRead> {
  try {
    return await readImageConnector({ runtime, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof FactoryError) return error;
    throw error;
  }
}

export interface Planned {
  changes: readonly FieldChange[];
  scopes: readonly ScopeConfiguration[];
  images: readonly PlannedImage[];
  /** The references at our registry that overrides name, with or without the registry. */
  inUse: readonly string[];
}

interface ConnectorCheck {
  warnings: string[];
  /** Set when the changes must not be written, because Harness would pull something else. */
  blocked?: BlockedSwitch;
  /** The images that Harness would pull after the run. */
  pulls?: Pull[];
}

/**
 * Resolves every image of the run's scopes through the connector as it is, and looks for those at our registry. Reports
 * what stands in the way of the switch: a connector that makes Harness pull other images than the run writes, or a
 * configured connector that is missing or of another type.
 *
 * @throws {FactoryError} The failure to read the connector, when the run would switch Harness without knowing it.
 */
export async function checkConnector(
  found: ConnectorRead,
  { changes, scopes, images, inUse }: Planned,
  settings: RunSettings,
  { runtime, signal }: TaskRun,
): Promise<ConnectorCheck> {
  const { registry, action } = settings;
  const switches = action === 'reset' || action === 'restore' || (settings.modifyDefault && action !== 'verify');
  // A restore writes back the images of Harness or of the user: a wrong connector must not block it.
  const written = switches ? changes.flatMap(({ to }) => (to !== null && isOurs(to, registry) ? [to] : [])) : [];
  if (found instanceof FactoryError) {
    // A key that may switch need not be allowed to see connectors. After any other failure, a switch is not safe.
    if (found.name !== 'HarnessForbidden' && written.length > 0 && action !== 'plan') throw found;
    return { warnings: [`the connector of Harness's images could not be checked: ${found.message}`] };
  }
  const known = statusesOf(images, action);
  if (copiesImages(action)) {
    // An ordinary night spends no request on copies that are in use already: they are checked every recheck_days.
    for (const copy of Object.keys(await readInventory(runtime.store)))
      if (!known.has(copy)) known.set(copy, 'present');
  }
  const isUsed = (field: string) =>
    settings.includeWindowsRootless || !isWindowsOnly(field.slice(field.lastIndexOf(' ') + 1));
  const look = (resolved: readonly ResolvedImage[]) => {
    // Nor on images that the user leaves out, and that few accounts can use.
    const wanted = copiesImages(action) ? resolved.filter(({ fields }) => fields.some(isUsed)) : resolved;
    return findPulls(wanted, registry, known, { runtime, signal });
  };
  const url = dockerAddress(found);
  const relative = switches ? relativeCopies(changes, registry) : new Map<string, string>();
  const reason = obstacle(found, new Map([...written.map((value) => [value, value] as const), ...relative]), registry);
  const planned = switches && reason === undefined ? changes : [];
  const pulls = await look(resolveFields(scopes, planned, url));
  if (reason === undefined) {
    const rights =
      written.length > 0
        ? [...rightsOf(found, registry), ...ecrPasswordWarnings(found, runtime.configuration)]
        : elsewhereOf(found, relative);
    return { warnings: [...warningsOf(found, pulls), ...rights], pulls };
  }
  const address = addressOf(registry, runtime);
  const missing = withoutOverride(await look(resolveFields(scopes, changes, address)));
  const steps = stepsByHand(found, { address, images, missing }, settings);
  return { warnings: [], pulls, blocked: { reason, steps } };

  function warningsOf(connector: ImageConnector, all: readonly Pull[]): string[] {
    // Verify lists these among the differences.
    const moved = action === 'verify' ? [] : misresolved(connector, { changes: planned, scopes, inUse }, registry);
    const missing = missingWarnings(connector, withoutOverride(all), addressOf(registry, runtime), settings);
    if (action === 'reset') return [...moved, ...missing, ...unknownWarnings(all)];
    return [...moved, ...missing, ...(action === 'restore' ? restoredWarnings(all, planned) : [])];
  }

  /** Returns the missing images of fields without an override that pods use and that no copy of this run brings. */
  function withoutOverride(all: readonly Pull[]): Pull[] {
    return all.filter(
      ({ reference, official, status, fields }) =>
        official !== undefined &&
        (status === 'missing' || (status === 'unknown' && action !== 'reset')) &&
        !known.has(reference) &&
        reference !== official &&
        fields.some(isUsed),
    );
  }
}

/** Maximum time of the check of a reset, in milliseconds. */
const resetCheckMs = 20_000;

/**
 * Resolves the images that pods pull after a reset, and looks for those at our registry. A reset is first aid: no
 * failure of this check ends it, and none delays it for long.
 */
export async function checkReset(
  planned: Planned,
  settings: RunSettings,
  { runtime, signal }: TaskRun,
): Promise<ConnectorCheck> {
  const timeout = AbortSignal.timeout(resetCheckMs);
  const limited = { runtime, signal: signal ? AbortSignal.any([signal, timeout]) : timeout };
  try {
    return await checkConnector(await readConnector(limited), planned, settings, limited);
  } catch (error) {
    signal?.throwIfAborted();
    const reason = timeout.aborted ? `no result after ${resetCheckMs / 1_000} s` : FactoryError.from(error).message;
    return { warnings: [`what pods pull after the reset could not be checked: ${reason}`] };
  }
}

/** Returns the address of a Docker connector. With any other, Harness uses images as written. */
function dockerAddress({ connector }: ImageConnector): string | undefined {
  return connector?.type === 'DockerRegistry' ? connector.dockerRegistryUrl : undefined;
}

/** Returns the address at which a connector makes Harness look for every image below the registry. */
export function addressOf(registry: RegistryLocation, { configuration: { insecureRegistries } }: Runtime): string {
  const isPlain = isLoopback(registry.registry) || insecureRegistries.includes(registry.registry);
  return `${isPlain ? 'http' : 'https'}://${formatLocation(registry)}`;
}

/** Returns the status of each copy that the run has looked up. */
export function statusesOf(
  images: readonly PlannedImage[],
  action: RunSettings['action'],
): Map<string, Pull['status']> {
  const statusOf = (image: PlannedImage) =>
    isPresent(image) ? 'present' : image.status === 'copy' && action !== 'verify' ? 'planned' : 'missing';
  return new Map(images.map((image) => [formatReference(image.target), statusOf(image)]));
}

/** Returns the reason why Harness would not pull the images that the written values stand for. */
function obstacle(
  found: ImageConnector,
  written: ReadonlyMap<string, string>,
  registry: RegistryLocation,
): string | undefined {
  const { reference, named, connector } = found;
  const url = dockerAddress(found);
  if (url === undefined) {
    // A value without a registry is as good as Harness's own names then.
    if (!named || ![...written].some(([value, image]) => value === image)) return undefined;
    return connector ? `connector ${reference} is of type ${connector.type}` : `connector ${reference} does not exist`;
  }
  const place = shownAddress(url);
  for (const [value, image] of written) {
    const pulled = pulledInstead(value, image, url, registry);
    if (pulled === undefined) continue;
    return connectorRegistry(url) === undefined
      ? `Harness cannot read the address of connector ${reference}, "${place}"`
      : `through connector ${reference} (${place}) Harness would pull ${pulled} instead of ${image}`;
  }
  return undefined;
}

/** Returns the values without a registry that the run writes, with the copy that each stands for. */
function relativeCopies(changes: readonly FieldChange[], registry: RegistryLocation): Map<string, string> {
  return new Map(
    changes.flatMap(({ to, image }): [string, string][] => {
      const copy = to === null || image === undefined ? undefined : relativeCopy(to, registry);
      return to === null || copy === undefined ? [] : [[to, copy]];
    }),
  );
}

/** Returns a warning when values without a registry lead to another registry than ours. */
function elsewhereOf(found: ImageConnector, copies: ReadonlyMap<string, string>): string[] {
  const url = dockerAddress(found);
  const [first] = copies;
  if (!first) return [];
  const [value, copy] = first;
  const pulled = url === undefined ? value : resolveImage(value, url);
  if (pulled === copy) return [];
  return [
    `through connector ${found.reference} Harness pulls ${pulled ?? 'nothing'}, not the copy. Only stages with a connector for the copies use them.`,
  ];
}

interface ByHand extends Pick<Planned, 'images'> {
  address: string;
  /** The images that pods would miss through the address. */
  missing?: readonly Pull[];
}

/** Returns the steps to an address that the run does not set itself, in an order in which pods find every image. */
export function stepsByHand(
  found: ImageConnector,
  { address, images, missing = [] }: ByHand,
  settings: RunSettings,
): string[] {
  const { action } = settings;
  const isCopied = copiesImages(action) || images.every(isPresent);
  const copy = isCopied ? 'Done: the images are copied.' : 'Copy the images: run sync with "modify_default": false.';
  return [
    ...(action === 'restore' ? [] : [copy]),
    ...(missing.length > 0
      ? [`Copy ${namesOf(missing)} too, which pods would pull from ${address} then and which are not there.`]
      : []),
    ...(action === 'restore' ? [] : [connectorReachStep(address)]),
    changeStep(found, address, settings),
    lastStep(settings),
  ];
}

/** Returns the step that gives the connector an address. */
function changeStep(
  { reference, named, connector }: ImageConnector,
  address: string,
  { action, manageConnector, registry: { registry } }: RunSettings,
): string {
  if (connector?.type !== 'DockerRegistry')
    return `Make ${reference} a connector of type Docker Registry with the address ${address}${named ? ', or correct CONTAINER_REGISTRY_CONNECTOR, ORG_ID and PROJECT_ID' : ''}.`;
  const { dockerRegistryUrl: url, authType } = connector;
  const kept = url === undefined ? undefined : connectorRegistry(url);
  const hasOtherLogin = authType !== undefined && authType !== 'Anonymous' && kept !== registry;
  const login = hasOtherLogin ? `, with credentials for ${registry}` : '';
  const itself =
    hasOtherLogin || manageConnector || action === 'restore' ? '' : ' With "manage_connector": true, sync does it.';
  return `Give connector ${reference} the address ${address}${login}.${itself}`;
}

/** Returns the step that starts the run again. */
export function lastStep({ action }: RunSettings): string {
  return action === 'plan' ? 'Run sync.' : `Run ${action} again.`;
}

/** Returns a warning when overrides at our registry, which this run leaves as they are, are not used as written. */
function misresolved(
  found: ImageConnector,
  { changes, scopes, inUse }: Omit<Planned, 'images'>,
  registry: RegistryLocation,
): string[] {
  const url = dockerAddress(found);
  if (url === undefined) return [];
  const changed = new Set(changes.map(({ from }) => from));
  const copies = new Set(inUse);
  for (const value of scopes.flatMap(({ overrides }) => Object.values(overrides))) {
    const image = changed.has(value) ? undefined : imageAtOurs(value, registry, copies);
    const pulled = image === undefined ? undefined : pulledInstead(value, image, url, registry);
    if (pulled !== undefined)
      return [
        `through connector ${found.reference} (${shownAddress(url)}) Harness pulls ${pulled} instead of ${image}`,
      ];
  }
  return [];
}

/** Returns a warning when images without an override are not where the connector makes Harness look for them. */
function missingWarnings(
  found: ImageConnector,
  missing: readonly Pull[],
  address: string,
  { registry, action, manageConnector }: RunSettings,
): string[] {
  const url = dockerAddress(found);
  const place = url === undefined ? undefined : connectorPlace(url);
  const isHostOnly =
    url !== undefined && connectorRegistry(url) === registry.registry && place !== formatLocation(registry);
  const subject = `connector ${found.reference} is ${shownAddress(url ?? '')}. Images without an override would be pulled from ${place}/…`;
  if (isHostOnly) {
    const which = missing.length === 0 ? 'not from the copies' : `where these do not exist: ${namesOf(missing)}`;
    const itself = action === 'restore' ? '' : ' With "manage_connector": true, sync does it.';
    return [`${subject}, ${which}.${manageConnector ? '' : ` Set it to ${address}.${itself}`}`];
  }
  if (missing.length === 0) return [];
  const [images, they, them] = missing.length === 1 ? ['image', 'it does', 'it'] : ['images', 'they do', 'them'];
  const cure =
    action === 'reset'
      ? `Copy ${them} with sync, or give connector ${found.reference} an address that has ${them}.`
      : `Leave no field of ${them} out, or copy ${them} with extra_images.`;
  return [
    `${missing.length} ${images} without an override would be pulled from ${formatLocation(registry)}, where ${they} not exist: ${namesOf(missing)}. ${cure}`,
  ];
}

/** Returns a warning when pods would miss what a restore writes back. It need not be a copy: the user may have set it. */
function restoredWarnings(all: readonly Pull[], changes: readonly FieldChange[]): string[] {
  const written = new Set(changes.flatMap((change) => (change.to === null ? [] : nameOfField(change))));
  const missing = all.filter(
    ({ status, fields }) => status === 'missing' && fields.some((field) => written.has(field)),
  );
  if (missing.length === 0) return [];
  return [`pods would not find what the restore writes back: ${namesOf(missing)}`];
}

/** Returns a warning when a reset cannot tell whether pods will find their images. */
function unknownWarnings(all: readonly Pull[]): string[] {
  const unknown = all.filter(({ status }) => status === 'unknown');
  if (unknown.length === 0) return [];
  return [`images that pods pull after the reset could not be looked up at the registry: ${namesOf(unknown)}`];
}

/** Returns a warning when pods get no credentials for our registry from the connector. */
function rightsOf(found: ImageConnector, { registry }: RegistryLocation): string[] {
  const { reference, connector } = found;
  const nodes = `the nodes need rights of their own to pull from ${registry}`;
  const url = dockerAddress(found);
  if (!connector) return [`there is no connector ${reference}: Harness uses the images as written, and ${nodes}`];
  if (url === undefined)
    return [`connector ${reference} is of type ${connector.type}: Harness uses the images as written, and ${nodes}`];
  const owner = connectorRegistry(url);
  return owner === registry
    ? []
    : [`connector ${reference} is for ${owner}: Harness uses the images as written, but ${nodes}`];
}

const shownNames = 10;

export function namesOf(pulls: readonly Pull[]): string {
  const names = pulls.map(({ official, reference }) => official ?? reference);
  const more = names.length - shownNames;
  return names.slice(0, shownNames).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
