import { FactoryError } from '../errors.ts';
import type { Connector, ConnectorAddress } from '../harness/connector.ts';
import { connectorPlace, connectorRegistry, resolveImage } from '../harness/image-resolution.ts';
import type { ObjectRef } from '../harness/object-ref.ts';
import { isSameScope } from '../harness/scope.ts';
import { isWindowsOnly } from '../harness/windows-fields.ts';
import { findPulls } from '../images/pulls.ts';
import { formatLocation } from '../oci/spec/reference.ts';
import { credentialsObstacle, shownAddress } from '../overrides/connector-change.ts';
import type { ImageConnector } from '../overrides/image-connector.ts';
import { isOurs } from '../overrides/override.ts';
import { resolveFields } from '../overrides/pulls.ts';
import { readEveryScope } from '../overrides/scope-configuration.ts';
import { checkWritePermission } from '../overrides/write-permission.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { BlockedSwitch, ConnectorChange, Pull, Snapshot } from '../state/documents.ts';
import { addressOf, lastStep, namesOf, type Planned, statusesOf, stepsByHand } from './connector.ts';
import { setsOfPods } from './reach.ts';
import { newestFirst, readSnapshots } from './restore.ts';

/** The part of a run that `manage_connector` adds, or a restore of such a run. */
export interface ManagedConnector {
  /** Set when the run changes the connector. */
  change?: ConnectorChange;
  /** Set when the run should change the connector and must not. */
  blocked?: BlockedSwitch;
  /** Every image that pods pull through the new address. */
  pulls?: Pull[];
  warnings: string[];
}

const nothing: ManagedConnector = { warnings: [] };

/** Plans the change of the connector for a sync with `manage_connector`. */
export async function manageConnector(
  found: ImageConnector | FactoryError,
  planned: Planned,
  settings: RunSettings,
  run: TaskRun,
): Promise<ManagedConnector> {
  const { registry } = settings;
  const stop = (reason: string, cures: string[], missing: Pull[] = []): ManagedConnector => {
    const list = missing.length > 0 && { missing };
    return { blocked: { reason, steps: [...cures, lastStep(settings)], ...list }, warnings: [] };
  };
  if (!settings.manageConnector || !settings.modifyDefault) return nothing;
  if (found instanceof FactoryError) {
    // After any other failure, the check of the connector ends the run.
    return found.name === 'HarnessForbidden' ? stop(found.message, [found.hint]) : nothing;
  }
  const { reference, ref, connector } = found;
  const { dockerRegistryUrl: url, providerType } = connector ?? {};
  if (!connector || url === undefined) {
    const why = connector ? `is of type ${connector.type}` : 'does not exist';
    return { warnings: [`manage_connector has no effect: connector ${reference} ${why}`] };
  }
  if (connectorPlace(url) === formatLocation(registry)) return nothing;
  const dockerRegistryUrl = addressOf(registry, run.runtime);
  const provider = providerType === 'DockerHub' ? 'Other' : providerType;
  const to = { dockerRegistryUrl, ...(provider !== undefined && { providerType: provider }) };
  const change = changeOf(reference, ref, connector, to);
  if (settings.action === 'verify') {
    const from = { ...change.from, dockerRegistryUrl: shownAddress(url) };
    return { change: { ...change, from }, warnings: [] };
  }
  const obstacle = credentialsObstacle(reference, connector, to);
  if (obstacle !== undefined) {
    const steps = stepsByHand(found, { address: dockerRegistryUrl, images: planned.images }, settings);
    return { blocked: { reason: obstacle, steps }, warnings: [] };
  }
  try {
    const [permission, scopes] = await Promise.all([
      checkWritePermission(run, change),
      readEveryScope(planned.scopes, run),
    ]);
    const resolved = resolveFields(scopes, planned.changes, dockerRegistryUrl);
    const pulls = await findPulls(resolved, registry, statusesOf(planned.images, 'sync'), run);
    const missing = pulls.filter(({ status }) => status === 'missing' || status === 'unknown');
    if (missing.length === 0)
      return { change, pulls, warnings: [...permission, ...reachOf(change, connector, settings)] };
    const reason = `with connector ${reference} at ${dockerRegistryUrl} in place of ${url}, pods would miss ${namesOf(missing)}`;
    return stop(reason, copySteps(missing, settings), missing);
  } catch (error) {
    run.signal?.throwIfAborted();
    if (!(error instanceof FactoryError)) throw error;
    return stop(error.message, [error.hint]);
  }
}

/** Plans the change of the connector for the restore of a run that changed it. */
export async function restoreConnector(
  { reference, ref, from }: NonNullable<Snapshot['connector']>,
  planned: Planned,
  settings: RunSettings,
  run: TaskRun,
): Promise<ManagedConnector> {
  const connector = await (await run.runtime.harness()).connector(ref, run.signal);
  if (connector?.dockerRegistryUrl === undefined) {
    const why = connector ? `is of type ${connector.type} now` : 'no longer exists';
    return { warnings: [`connector ${reference} ${why}, and is not restored`] };
  }
  if (connector.dockerRegistryUrl === from.dockerRegistryUrl) return nothing;
  const stop = (reason: string, cures: string[]): ManagedConnector => {
    return { blocked: { reason, steps: [...cures, lastStep(settings)] }, warnings: [] };
  };
  const obstacle = credentialsObstacle(reference, connector, from);
  if (obstacle !== undefined) return stop(obstacle, [`Set connector ${reference} to Anonymous.`]);
  const change = changeOf(reference, ref, connector, from);
  const warnings = await checkWritePermission(run, change);
  // A later run may have switched other modules, whose overrides need the address of the registry.
  const broken = (await readEveryScope(planned.scopes, run)).flatMap((scope) =>
    Object.entries(scope.overrides).flatMap(([field, value]) => {
      const changed = planned.changes.find((each) => each.field === field && isSameScope(each, scope));
      const then = changed ? changed.to : value;
      const isBroken =
        then !== null && isOurs(then, settings.registry) && resolveImage(then, from.dockerRegistryUrl) !== then;
      return isBroken ? [`${scope.module} ${scope.infrastructureType} ${field}`] : [];
    }),
  );
  if (broken.length === 0) return { change, warnings };
  return stop(
    `with connector ${reference} at ${shownAddress(from.dockerRegistryUrl)} again, pods would miss the images of ${broken.join(', ')}`,
    ['Reset these fields, or restore the runs that set them.'],
  );
}

/** Returns a warning when a reset leaves a connector that a run changed. */
export async function leftConnectorWarnings({ registry }: RunSettings, runtime: Runtime): Promise<string[]> {
  const place = formatLocation(registry);
  const { accountId } = await runtime.harness();
  const snapshots = newestFirst(await readSnapshots(runtime)).filter((snapshot) => snapshot.accountId === accountId);
  const last = snapshots.find(({ connector }) => connector && connectorPlace(connector.to.dockerRegistryUrl) === place);
  if (!last?.connector) return [];
  const { reference, ref, from, to } = last.connector;
  try {
    const now = (await (await runtime.harness()).connector(ref))?.dockerRegistryUrl;
    if (now !== to.dockerRegistryUrl) return [];
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
  }
  return [
    `reset leaves connector ${reference} at ${to.dockerRegistryUrl}, which run ${last.runId} set. To give it ${shownAddress(from.dockerRegistryUrl)} again, ${runtime.place.restore(last.runId)}`,
  ];
}

function changeOf(
  reference: string,
  ref: ObjectRef,
  { dockerRegistryUrl = '', providerType }: Connector,
  to: ConnectorAddress,
): ConnectorChange {
  const from = { dockerRegistryUrl, ...(providerType !== undefined && { providerType }) };
  return { reference, ref, from, to };
}

/** Warns of everything that a change of the connector reaches. */
function reachOf(
  { reference, ref, from, to }: ConnectorChange,
  { authType }: Connector,
  { extraSets }: RunSettings,
): string[] {
  const organization = ref.orgIdentifier === undefined ? 'the account' : `organization ${ref.orgIdentifier}`;
  const scope =
    ref.projectIdentifier === undefined ? organization : `project ${ref.projectIdentifier} of ${organization}`;
  const registry = connectorRegistry(to.dockerRegistryUrl);
  const left = setsOfPods.filter((name) => !extraSets.includes(name));
  const copy =
    left.length === 0 ? '' : `. Copy the images that you use and no field names: extra_sets has ${left.join(', ')}`;
  return [
    `manage_connector: everything that uses connector ${reference} of ${scope} will pull from ${to.dockerRegistryUrl}, pipelines with images of their own too${copy}`,
    ...(authType === 'Anonymous' && connectorRegistry(from.dockerRegistryUrl) !== registry
      ? [`connector ${reference} has no credentials: the nodes need rights of their own to pull from ${registry}`]
      : []),
  ];
}

/** Returns the steps that bring missing images to the registry. */
function copySteps(missing: readonly Pull[], settings: RunSettings): string[] {
  const { modules, infrastructureTypes, includeWindowsRootless, registry } = settings;
  const [official, set] = [missing.filter(isOfficial), missing.filter((row) => !isOfficial(row))];
  const them = set.length > 0 ? namesOf(official) : 'them';
  const parts = official.flatMap(({ fields }) => fields.map((field) => field.split(' ')));
  const more = (known: readonly string[], index: number) => {
    const all = new Set([...known, ...parts.flatMap((part) => part[index] ?? [])]);
    return all.size > known.length ? [...all] : undefined;
  };
  const input = JSON.stringify({
    modules: more(modules, 0),
    infrastructure_type: more(infrastructureTypes, 1),
    ...(!includeWindowsRootless &&
      parts.some(([, , field = '']) => isWindowsOnly(field)) && { include_windows_rootless: true }),
  });
  const how = input === '{}' ? 'leave no field of them out, or use extra_images' : `add ${input} to the input`;
  return [
    ...(official.length > 0 ? [`Copy ${them} too, in this and every later run: ${how}.`] : []),
    ...(set.length > 0
      ? [
          `Reset ${set.flatMap(({ fields }) => fields).join(', ')}, or copy what their overrides name to ${formatLocation(registry)}/….`,
        ]
      : []),
  ];
}

function isOfficial({ official }: Pull): boolean {
  return official !== undefined;
}
