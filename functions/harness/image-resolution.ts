/**
 * What a pod pulls for a configured image, given the address of the connector that Harness takes its own images through.
 * Paraphrases Harness's `CiIntegrationStageUtils.getImageWithRegistryPath`, its substring test included.
 */
export function resolveImage(image: string, connectorUrl: string): string {
  const url = new URL(connectorUrl);
  if (verbatimHosts.has(url.hostname) || image.includes(url.host)) return image;
  const path = url.pathname.replaceAll(/^\/+|\/+$/g, '');
  return [url.host, path, image].filter(Boolean).join('/');
}

/** With Docker Hub's connector images are used as they are written. */
const verbatimHosts = new Set(['index.docker.io', 'registry.hub.docker.com']);
