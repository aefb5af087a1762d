import { trimEnd } from '../text/trim-end.ts';

/**
 * What a pod pulls for a configured image, given the address of the Docker connector that Harness takes its own images
 * through; `undefined` for an address that Harness cannot read, with which no pod starts.
 * Paraphrases Harness's `CiIntegrationStageUtils.getImageWithRegistryPath`, its substring test included. Not by `URL`,
 * which drops `:443` and writes hosts in small letters: Harness does neither.
 */
export function resolveImage(image: string, connectorUrl: string): string | undefined {
  const { host, path = '' } = parts(connectorUrl) ?? {};
  if (host === undefined) return undefined;
  if (dockerHub.has(host) || image.includes(host)) return image;
  return `${trimEnd(host + path, '/')}/${image.replace(/^\/+/, '')}`;
}

/** Whose credentials a Docker connector holds: `host[:port]` as in image names; `undefined` for an unreadable address. */
export function connectorRegistry(connectorUrl: string): string | undefined {
  const host = parts(connectorUrl)?.host;
  return host !== undefined && dockerHub.has(host) ? 'docker.io' : host;
}

/** With Docker Hub's connector images are used as they are written. */
const dockerHub = new Set(['index.docker.io', 'registry.hub.docker.com']);

const address =
  /^\s*https?:\/\/(?:[^/?#@]*@)?(?<host>(?:\[[^\]]*\]|[^/?#:]*)(?::\d+)?):?(?<path>(?:\/[^?#]*)?)(?:$|[?#])/i;

function parts(url: string): { host?: string; path?: string } | undefined {
  return address.exec(url)?.groups;
}
