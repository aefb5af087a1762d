import { trimEnd } from '../text/trim-end.ts';

/**
 * Returns the image that a pod pulls for a configured image, given the address of the Docker connector that Harness
 * uses for its own images. Returns `undefined` for an address that Harness cannot parse: no pod starts with it. Mirrors
 * Harness's `CiIntegrationStageUtils.getImageWithRegistryPath`, including its substring test. Does not use `URL`, which
 * drops `:443` and lowercases hosts; Harness does neither.
 */
export function resolveImage(image: string, connectorUrl: string): string | undefined {
  const { host, path = '' } = parts(connectorUrl) ?? {};
  if (host === undefined) return undefined;
  if (dockerHub.has(host) || image.includes(host)) return image;
  return `${trimEnd(host + path, '/')}/${image.replace(/^\/+/, '')}`;
}

/** Returns the registry whose credentials a Docker connector holds; `undefined` for an unreadable address. */
export function connectorRegistry(connectorUrl: string): string | undefined {
  const host = parts(connectorUrl)?.host;
  return host !== undefined && dockerHub.has(host) ? 'docker.io' : host;
}

/** Returns `host[:port][/path]`, below which Harness looks for images that do not contain the connector's host. */
export function connectorPlace(connectorUrl: string): string | undefined {
  const { host, path = '' } = parts(connectorUrl) ?? {};
  return host === undefined ? undefined : trimEnd(host + path, '/');
}

/** Hosts of Docker Hub. With a connector to one of them, Harness uses images as written. */
const dockerHub = new Set(['index.docker.io', 'registry.hub.docker.com']);

const address =
  /^\s*https?:\/\/(?:[^/?#@]*@)?(?<host>(?:\[[^\]]*\]|[^/?#:]*)(?::\d+)?):?(?<path>(?:\/[^?#]*)?)(?:$|[?#])/i;

function parts(url: string): { host?: string; path?: string } | undefined {
  return address.exec(url)?.groups;
}
