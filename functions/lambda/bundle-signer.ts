import { KmsSigner } from '../aws/kms-signer.ts';
import type { BundleSigner } from '../bundle/signature.ts';
import type { Environment } from '../settings/configuration.ts';

/** Returns the signer with the KMS key of the deployment; `undefined` where exports are not signed. */
export function bundleSigner({ BUNDLE_SIGNING_KEY: arn }: Environment): BundleSigner | undefined {
  // One for each signature: the function may be reused, and a signer closes its connections.
  return arn ? { name: arn, sign: (document, signal) => new KmsSigner(arn).sign(document, signal) } : undefined;
}
