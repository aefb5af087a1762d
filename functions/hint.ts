/** The next step for the reader of an error. */
export interface Hint {
  /** One sentence in the imperative, without the names of this product in a library. */
  hint: string;
  /** The subject, where the product has advice in its own words (`advice.ts`). */
  topic?: Topic | undefined;
}

export type Topic =
  | 'certificates'
  | 'crowded-registry'
  | 'foreign-layers'
  | 'image-format'
  | 'immutable-tag'
  | 'no-tls'
  | 'oci-artifact'
  | 'platforms'
  | 'private-address'
  | 'pull-limit'
  | 'quota'
  | 'repository-name'
  | 'request-limit'
  | 'token-service'
  | 'unknown-ca';
