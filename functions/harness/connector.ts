import * as z from 'zod';
import { isObject, withoutNulls } from '../text/json.ts';
import { printable } from '../text/printable.ts';

/** The address of a `DockerRegistry` connector, with the provider that goes with it. */
export interface ConnectorAddress {
  /** `https://index.docker.io/v2/` */
  dockerRegistryUrl: string;
  /** `DockerHub`, `Harbor`, `Quay`, `Other`. */
  providerType?: string;
}

/** The properties of a connector that the factory needs. */
export interface Connector {
  /** `DockerRegistry` is the only type whose host Harness prepends to image names. */
  type: string;
  /** Only for a `DockerRegistry`, like the next two. */
  dockerRegistryUrl?: string | undefined;
  providerType?: string | undefined;
  /** `Anonymous`, `UsernamePassword`. */
  authType?: string | undefined;
  /** The whole connector, with members that the factory does not know. */
  document: Readonly<Record<string, unknown>>;
}

const text = z.string().optional().catch(undefined);
const auth = z.object({ type: text }).catch({ type: undefined });
const spec = z.object({ dockerRegistryUrl: text, providerType: text, auth }).optional().catch(undefined);
const response = z.object({ connector: z.record(z.string(), z.unknown()) });
const known = z.object({ type: z.string(), spec });

/** Reads `data` of the connector endpoint; `undefined` when it has another shape. */
export function parseConnector(data: unknown): Connector | undefined {
  const document = response.safeParse(data).data?.connector;
  const { data: connector } = known.safeParse(document);
  if (!document || !connector) return undefined;
  const { type, spec: { auth: login, ...address } = {} } = connector;
  return { type: printable(type), ...address, authType: login?.type, document };
}

/** Returns the body of an update that changes the address. The update replaces the whole connector. */
export function withAddress({ document }: Connector, address: ConnectorAddress): object {
  const { providerType: _, ...rest } = withoutNulls(isObject(document['spec']) ? document['spec'] : {});
  return { connector: { ...withoutNulls(document), spec: { ...rest, ...address } } };
}
