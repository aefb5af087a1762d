import { connectorRegistry } from '../harness/image-resolution.ts';
import { profileOf } from '../oci/registry/profile.ts';
import type { ImageConnector } from '../overrides/image-connector.ts';
import type { Configuration } from '../settings/configuration.ts';

/** Returns a warning when the connector has an ECR password that nothing is known to renew. */
export function ecrPasswordWarnings(
  { reference, connector }: ImageConnector,
  { ecrTokenSecret }: Pick<Configuration, 'ecrTokenSecret'>,
): string[] {
  const { authType, dockerRegistryUrl } = connector ?? {};
  if (ecrTokenSecret !== undefined || authType !== 'UsernamePassword' || dockerRegistryUrl === undefined) return [];
  const registry = connectorRegistry(dockerRegistryUrl);
  if (registry === undefined || profileOf(registry).name !== 'ecr') return [];
  return [
    `connector ${reference} has a password for ${registry}, which expires after 12 hours. Give the nodes permission to pull, or set ECR_TOKEN_SECRET.`,
  ];
}
