import * as z from 'zod';
import { printable } from '../text/printable.ts';

/** The properties of a connector that the factory needs. */
export interface Connector {
  /** `DockerRegistry` is the only type whose host Harness prepends to image names. */
  type: string;
  /** Only for a `DockerRegistry`, such as `https://index.docker.io/v2/`. */
  dockerRegistryUrl?: string | undefined;
  /** `Anonymous`, `UsernamePassword`. */
  authType?: string | undefined;
}

const text = z.string().optional().catch(undefined);
const auth = z.object({ type: text }).catch({ type: undefined });
const spec = z.object({ dockerRegistryUrl: text, auth }).optional().catch(undefined);
const response = z.object({ connector: z.object({ type: z.string(), spec }) });

/** Reads `data` of the connector endpoint; `undefined` when it has another shape. */
export function parseConnector(data: unknown): Connector | undefined {
  const { connector } = response.safeParse(data).data ?? {};
  if (!connector) return undefined;
  const { type, spec: { dockerRegistryUrl, auth } = {} } = connector;
  return { type: printable(type), dockerRegistryUrl, authType: auth?.type };
}
