import { Stack } from 'aws-cdk-lib/core';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';

/** Lets a role read a secret and decrypt it. `grantRead` allows that in the standard partition only. */
export function allowToRead(role: Role, secret: Pick<ISecret, 'grantRead' | 'encryptionKey'>): void {
  secret.grantRead(role);
  if (!secret.encryptionKey) return;
  allowKey(role, secret.encryptionKey, ['kms:Decrypt']);
}

/** Lets a role replace the value of a secret, and neither read nor change anything else of it. */
export function allowToReplace(role: Role, { secretArn, secretFullArn, encryptionKey }: ISecret): void {
  // Secrets Manager ends every ARN with six characters, which are not known of a secret that was imported by name.
  const resources = [secretFullArn ?? `${secretArn}-??????`];
  role.addToPolicy(new PolicyStatement({ actions: ['secretsmanager:PutSecretValue'], resources }));
  // https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
  if (encryptionKey) allowKey(role, encryptionKey, ['kms:Decrypt', 'kms:GenerateDataKey']);
}

function allowKey(role: Role, key: IKey, actions: string[]): void {
  const { region, urlSuffix } = Stack.of(role);
  role.addToPolicy(
    new PolicyStatement({
      actions,
      resources: [key.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.${urlSuffix}` } },
    }),
  );
}
