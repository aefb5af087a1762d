import { FactoryError } from '../errors.ts';
import type { Connector, ConnectorAddress } from '../harness/connector.ts';
import { connectorRegistry } from '../harness/image-resolution.ts';
import type { ConnectorChange, ConnectorResult } from '../state/documents.ts';
import { writing } from '../state/writes.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { isRefusal } from './apply-changes.ts';

/** Returns an address without credentials. */
export function shownAddress(url = 'removed'): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

/** Returns a change as a report has it before its write. */
export function plannedConnector({ reference, from, to }: ConnectorChange): ConnectorResult {
  const before = shownAddress(from.dockerRegistryUrl);
  return { reference, before, after: to.dockerRegistryUrl, status: 'planned' };
}

/** Describes the outcome of a change in one line. */
export function describeConnector({ reference, before, after, status }: ConnectorResult): string {
  return `connector ${reference}: ${before}${after === before ? '' : ` → ${after}`} (${status})`;
}

/** Returns the reason why a new address would send the credentials of a connector to another host. */
export function credentialsObstacle(
  reference: string,
  { dockerRegistryUrl: url = '', authType = 'unknown' }: Connector,
  to: ConnectorAddress,
): string | undefined {
  if (/\/\/[^/]*@/.test(url)) return `connector ${reference} has credentials in its address`;
  const [owner, registry] = [connectorRegistry(url), connectorRegistry(to.dockerRegistryUrl)];
  if (authType === 'Anonymous' || owner === registry) return undefined;
  return `connector ${reference} has credentials for ${owner ?? shownAddress(url)} (${authType}), which Harness would send to ${registry}`;
}

/**
 * Reads a connector that a run is about to change.
 *
 * @throws {FactoryError} `SwitchBlocked` when somebody changed the connector since the plan.
 */
export async function readForChange(
  { reference, ref, from, to }: ConnectorChange,
  { runtime, signal }: TaskRun,
): Promise<Connector> {
  const connector = await (await runtime.harness()).connector(ref, signal);
  if (!connector) throw switchBlocked(`connector ${reference} was removed during the run`);
  const obstacle =
    connector.dockerRegistryUrl === from.dockerRegistryUrl
      ? credentialsObstacle(reference, connector, to)
      : `connector ${reference} was changed by someone else during the run`;
  if (obstacle !== undefined) throw switchBlocked(obstacle);
  return connector;
}

export function switchBlocked(reason: string): FactoryError {
  return new FactoryError('SwitchBlocked', `Harness was not switched: ${reason}`, {
    hint: 'Start the run again: it reads Harness as it is now.',
  });
}

/** Gives the connector its new address, if the run has one for it. A retried task does not repeat the write. */
export async function writeConnector(runId: string, { runtime, signal }: TaskRun): Promise<void> {
  const documents = runtime.run(runId);
  const { connector: change } = await documents.snapshot.get();
  if (!change || (await documents.connector.find())) return;
  signal?.throwIfAborted();
  const isRepeated = (await documents.writes.find())?.connector === true;
  await writing(documents, runtime.lock, 'connector', async () => {
    const harness = await runtime.harness();
    // A function that was killed may have written it.
    const now = isRepeated ? (await harness.connector(change.ref))?.dockerRegistryUrl : undefined;
    const record = () => documents.connector.put({ status: 'changed', after: change.to.dockerRegistryUrl });
    if (now !== change.to.dockerRegistryUrl) {
      const connector = await readForChange(change, { runtime });
      try {
        await harness.updateConnector(change.ref, connector, change.to);
      } catch (error) {
        // The rollback must write the old address, because Harness may still carry out this request.
        if (!isRefusal(error)) await record();
        throw error;
      }
    }
    await record();
    // `verify` knows by this document that the run wrote.
    if (!(await documents.config.find())) await documents.config.put([]);
  });
}
