import { FactoryError } from '../errors.ts';
import { resolveImage } from '../harness/image-resolution.ts';
import type { FieldChange } from '../run/documents.ts';
import type { Runtime } from '../runtime.ts';

/**
 * With CONTAINER_REGISTRY_CONNECTOR set: the connector exists, is a Docker registry, and lets Harness pull exactly what
 * is about to be written. Throws `InvalidConfiguration` before anything is copied or switched.
 */
export async function checkConnector(
  changes: readonly FieldChange[],
  runtime: Runtime,
  signal?: AbortSignal,
): Promise<void> {
  const { connector: reference, orgId, projectId } = runtime.configuration;
  // A reset writes no image: a connector that is wrong must not stand in its way.
  if (reference === undefined || changes.every(({ to }) => to === null)) return;
  const { identifier, ...scope } = scoped(reference, orgId, projectId);
  const connector = await (await runtime.harness()).connector({ identifier, ...scope }, signal);
  if (!connector) {
    throw misconfigured(
      `connector ${reference} does not exist`,
      'Create it, or correct CONTAINER_REGISTRY_CONNECTOR, ORG_ID and PROJECT_ID.',
    );
  }
  if (connector.type !== 'DockerRegistry' || connector.dockerRegistryUrl === undefined) {
    throw misconfigured(
      `connector ${reference} is of type ${connector.type}`,
      'Harness pulls its images through a connector of type Docker Registry only.',
    );
  }
  for (const { to } of changes) {
    if (to === null) continue;
    const resolved = resolveImage(to, connector.dockerRegistryUrl);
    if (resolved !== to) {
      throw misconfigured(
        `through connector ${reference} (${connector.dockerRegistryUrl}) Harness would pull ${resolved} instead of ${to}`,
        'Give the connector the address of the registry that images are copied to, or name that registry in "registry".',
      );
    }
  }
}

/** `account.x` and `org.x` say where a connector lives; a bare name lives in the project. */
function scoped(reference: string, orgId: string | undefined, projectId: string | undefined) {
  const [first = '', ...rest] = reference.split('.');
  if (first === 'account' && rest.length > 0) return { identifier: rest.join('.') };
  const org = orgId !== undefined && { orgIdentifier: orgId };
  if (first === 'org' && rest.length > 0) return { identifier: rest.join('.'), ...org };
  return { identifier: reference, ...org, ...(projectId !== undefined && { projectIdentifier: projectId }) };
}

function misconfigured(message: string, hint: string): FactoryError {
  return new FactoryError('InvalidConfiguration', message, { hint });
}
