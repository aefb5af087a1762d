import type { Connector } from '../harness/connector.ts';
import { type ObjectRef, parseObjectRef } from '../harness/object-ref.ts';
import type { TaskRun } from '../runtime/task-run.ts';

/** The connector through which Harness pulls its images, unless a stage names another one. */
export const harnessImage = 'account.harnessImage';

export interface ImageConnector {
  /** The reference in a user's notation: `account.harnessImage`. */
  reference: string;
  ref: ObjectRef;
  /** True when CONTAINER_REGISTRY_CONNECTOR names it. */
  named: boolean;
  /** The connector; absent when it does not exist. */
  connector?: Connector;
}

/** Reads the connector of images: CONTAINER_REGISTRY_CONNECTOR, by default `account.harnessImage`. */
export async function readImageConnector({ runtime, signal }: TaskRun): Promise<ImageConnector> {
  const { connector: named, orgId, projectId } = runtime.configuration;
  const reference = named ?? harnessImage;
  const harness = await runtime.harness();
  const ref = parseObjectRef(reference, orgId, projectId);
  const connector = await harness.connector(ref, signal);
  return { reference, ref, named: named !== undefined, ...(connector && { connector }) };
}
