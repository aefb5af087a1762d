import type { Connector, ConnectorRef } from '../harness/connector.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Harness takes its own images through this connector, unless a stage names another one. */
const harnessImage = 'account.harnessImage';

export interface ImageConnector {
  /** As users write it: `account.harnessImage`. */
  reference: string;
  /** Whether CONTAINER_REGISTRY_CONNECTOR says so. */
  named: boolean;
  /** Absent when there is none. */
  connector?: Connector;
}

/** The connector that Harness takes images through: CONTAINER_REGISTRY_CONNECTOR or, without one, `account.harnessImage`. */
export async function readImageConnector(runtime: Runtime, signal?: AbortSignal): Promise<ImageConnector> {
  const { connector: named, orgId, projectId } = runtime.configuration;
  const reference = named ?? harnessImage;
  const harness = await runtime.harness();
  const connector = await harness.connector(scoped(reference, orgId, projectId), signal);
  return { reference, named: named !== undefined, ...(connector && { connector }) };
}

/** `account.x` and `org.x` say where a connector lives; a bare name lives in the project, where one is configured. */
function scoped(reference: string, orgId: string | undefined, projectId: string | undefined): ConnectorRef {
  const [first = '', ...rest] = reference.split('.');
  if (first === 'account' && rest.length > 0) return { identifier: rest.join('.') };
  const org = orgId !== undefined && { orgIdentifier: orgId };
  if (first === 'org' && rest.length > 0) return { identifier: rest.join('.'), ...org };
  return { identifier: reference, ...org, ...(projectId !== undefined && { projectIdentifier: projectId }) };
}
