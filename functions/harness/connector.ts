import { printable } from '../text/printable.ts';
import type { ObjectRef } from './object-ref.ts';

/** The properties of a connector that the factory needs. */
export interface Connector extends ObjectRef {
  name: string;
  /** `DockerRegistry` is the only type whose host Harness prepends to image names. */
  type: string;
  /** Only for a `DockerRegistry`, such as `https://index.docker.io/v2/`. */
  dockerRegistryUrl?: string;
  /** Only for a `DockerRegistry`: `DockerHub`, `Harbor`, `Quay`, `Other`. */
  providerType?: string;
  /** `Anonymous`, `UsernamePassword`. */
  authType?: string;
}

/** Reads `data` of the connector endpoint; `undefined` when it has another shape. */
export function parseConnector(data: unknown): Connector | undefined {
  const connector = record(record(data)?.['connector']);
  const { identifier, name, type } = connector ?? {};
  if (typeof identifier !== 'string' || typeof name !== 'string' || typeof type !== 'string') return undefined;
  const spec = record(connector?.['spec']);
  return {
    identifier,
    name: printable(name),
    type: printable(type),
    ...text('orgIdentifier', connector),
    ...text('projectIdentifier', connector),
    ...text('dockerRegistryUrl', spec),
    ...text('providerType', spec),
    ...text('authType', { authType: record(spec?.['auth'])?.['type'] }),
  };
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function text<K extends string>(key: K, from: Record<string, unknown> | undefined): { [P in K]?: string } {
  const value = from?.[key];
  return typeof value === 'string' ? ({ [key]: value } as { [P in K]?: string }) : {};
}
