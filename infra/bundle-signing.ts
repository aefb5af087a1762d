import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { VerifyKey } from '../functions/bundle/signature.ts';
import { FactoryError } from '../functions/errors.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';
import type { TaskNeeds } from './task-needs.ts';
import { TextSyntaxError } from '../functions/text/text-syntax-error.ts';

/** Lets the role of a task sign digests with a key, by the one algorithm of bundles. */
export function allowSigning(role: IRole, key: IKey): void {
  const resources = [key.keyArn];
  const conditions = {
    // https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
    StringEquals: { 'kms:SigningAlgorithm': 'ECDSA_SHA_256', 'kms:MessageType': 'DIGEST' },
  };
  role.addToPrincipalPolicy(new PolicyStatement({ actions: ['kms:Sign'], resources, conditions }));
  role.addToPrincipalPolicy(new PolicyStatement({ actions: ['kms:GetPublicKey'], resources }));
}

/** Returns the keys of bundles that a task needs: it signs what it writes, and checks what it reads. */
export function bundleKeys(
  { bundles }: TaskNeeds,
  { bundleSigningKey, bundleVerifyKey }: HarnessCiImageFactoryProps,
): Record<string, string> {
  if (bundles === 'write') return bundleSigningKey ? { BUNDLE_SIGNING_KEY: bundleSigningKey.keyArn } : {};
  return bundles && bundleVerifyKey !== undefined ? { BUNDLE_VERIFY_KEY: bundleVerifyKey } : {};
}

/** Accepts a public key that signatures of bundles can be checked with. */
export function publicKey(text: string): string {
  try {
    void new VerifyKey(text, 'BUNDLE_VERIFY_KEY');
  } catch (error) {
    throw error instanceof FactoryError ? new TextSyntaxError(error.message, { cause: error }) : error;
  }
  return text;
}
