import { Stack } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';

/**
 * Lets a role read a secret, and decrypt it if a key encrypts it. `grantRead` allows the decryption through
 * the domain of the standard partition only.
 */
export function allowToRead(role: Role, secret: Pick<ISecret, 'grantRead' | 'encryptionKey'>): void {
  secret.grantRead(role);
  if (!secret.encryptionKey) return;
  const { region, urlSuffix } = Stack.of(role);
  role.addToPolicy(
    new PolicyStatement({
      actions: ['kms:Decrypt'],
      resources: [secret.encryptionKey.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.${urlSuffix}` } },
    }),
  );
}
