import type { PermissionCheck } from '../access.ts';
import type { HarnessObjectRef } from './object.ts';

export type Verb = 'read' | 'create' | 'update' | 'delete';

/** A request for an object, without its body. */
export interface Endpoint {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  query: Readonly<Record<string, string | undefined>>;
}

const methods = { read: 'GET', create: 'POST', update: 'PUT', delete: 'DELETE' } as const;

/** Returns the request for an object (harness/harness-go-sdk, nextgen). The account is added by the connection. */
export function endpointOf(ref: HarnessObjectRef, verb: Verb): Endpoint {
  const { orgIdentifier, projectIdentifier } = ref;
  const scope = { orgIdentifier, projectIdentifier };
  const id = encodeURIComponent(ref.identifier);
  const method = methods[verb];
  const below = (folder: string, query: Endpoint['query'] = scope): Endpoint => ({
    method,
    path: verb === 'create' ? folder : `${folder}/${id}`,
    query,
  });
  switch (ref.kind) {
    case 'pipeline':
      return below(`pipeline/api/pipelines${verb === 'create' || verb === 'update' ? '/v2' : ''}`);
    case 'inputSet':
      return below('pipeline/api/inputSets', { ...scope, pipelineIdentifier: ref.pipelineIdentifier });
    case 'trigger':
      return below('pipeline/api/triggers', { ...scope, targetIdentifier: ref.pipelineIdentifier });
    case 'template': {
      const { versionLabel } = ref;
      // Without a label, Harness returns the stable version.
      if (verb === 'read')
        return below('template/api/templates', { ...scope, versionLabel: versionLabel || undefined });
      const { path } = below(`template/api/templates${verb === 'update' ? '/update' : ''}`);
      return { method, path: verb === 'create' ? path : `${path}/${encodeURIComponent(versionLabel)}`, query: scope };
    }
    case 'connector':
      // The writes of connectors name identifier and scope in the body alone.
      return verb === 'create' || verb === 'update'
        ? { method, path: 'ng/api/connectors', query: {} }
        : below('ng/api/connectors');
    case 'secret':
      return below('ng/api/v2/secrets');
  }
}

/**
 * Returns the permission that a request needs. Creating asks for the type in the scope, all else for the object
 * (harness/developer-hub, "API permissions reference"; harness/harness-core, the resource of each kind).
 */
export function permissionFor(ref: HarnessObjectRef, verb: Verb): PermissionCheck {
  const { orgIdentifier, projectIdentifier } = ref;
  const scope = {
    ...(orgIdentifier !== undefined && { orgIdentifier }),
    ...(projectIdentifier !== undefined && { projectIdentifier }),
  };
  const action = ({ read: 'view', create: 'edit', update: 'edit', delete: 'delete' } as const)[verb];
  const itself = verb === 'create' ? scope : { ...scope, identifier: ref.identifier };
  switch (ref.kind) {
    case 'pipeline':
      return { permission: `core_pipeline_${action}`, resourceType: 'PIPELINE', ...itself };
    case 'inputSet':
    case 'trigger': {
      // Both belong to their pipeline. A trigger starts it, and is changed by those who may start it.
      const writes = ref.kind === 'trigger' && verb !== 'read';
      const permission = `core_pipeline_${writes ? 'execute' : action}`;
      return { permission, resourceType: 'PIPELINE', ...scope, identifier: ref.pipelineIdentifier };
    }
    case 'template':
      return { permission: `core_template_${action}`, resourceType: 'TEMPLATE', ...itself };
    case 'connector':
      return { permission: `core_connector_${action}`, resourceType: 'CONNECTOR', ...itself };
    case 'secret':
      return { permission: `core_secret_${action}`, resourceType: 'SECRET', ...itself };
  }
}
