import type { Topic } from './hint.ts';

type Advice =
  /** A clause that adds another cure to the hint. */
  | { or: string }
  /** A sentence that follows the hint. */
  | { how: string };

/** The advice of this product on each topic: its keys, variables and commands, which the libraries do not know. */
export const advice: Readonly<Record<Topic, Advice>> = {
  certificates: { how: 'REGISTRY_CERTS names the folder with a folder for each host.' },
  'crowded-registry': { or: 'give the factory its own prefix in "registry"' },
  'foreign-layers': { or: 'leave Windows out with "platforms", or the image with "exclude_fields"' },
  'image-format': { or: 'hold an older version of the image with "pins"' },
  'immutable-tag': { or: 'hold the version that is already there with "pins"' },
  'no-tls': { how: 'List a registry without TLS in INSECURE_REGISTRIES.' },
  'oci-artifact': { or: 'leave artifacts out with "referrers": "off"' },
  platforms: { how: 'The key is "platforms".' },
  'private-address': { how: 'List the hosts that you trust in TRUSTED_PRIVATE_HOSTS.' },
  'pull-limit': { or: 'name another registry in "source_registry"' },
  quota: { or: 'run sync with "prune": true' },
  'repository-name': { how: 'Its prefix is in "registry".' },
  'request-limit': { or: 'lower "max_concurrency"' },
  'token-service': { how: 'List the token services that you trust in TRUSTED_TOKEN_HOSTS.' },
  'unknown-ca': { how: 'Or put the CA into the folder that REGISTRY_CERTS names.' },
};

/** Completes the hint of a library with the advice on its topic. */
export function advise(hint: string, topic: Topic | undefined): string {
  if (topic === undefined) return hint;
  const added = advice[topic];
  return 'or' in added ? `${hint.replace(/\.$/, '')}, or ${added.or}.` : `${hint} ${added.how}`;
}
