import { Stack } from 'aws-cdk-lib/core';
import { type IRole, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { servicePrincipal } from './service-principal.ts';

/** Lets CloudWatch alarms publish to topics that the key encrypts. An imported key's policy stays as it is. */
export function allowAlarms(scope: Construct, key: IKey): void {
  const { account } = Stack.of(scope);
  key.addToResourcePolicy(
    new PolicyStatement({
      principals: [servicePrincipal('cloudwatch')],
      actions: ['kms:Decrypt', 'kms:GenerateDataKey*'],
      resources: ['*'],
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
    }),
  );
}

/** Lets CloudWatch Logs encrypt log groups of this account and region. An imported key's policy stays as it is. */
export function allowLogs(scope: Construct, key: IKey): void {
  const { account, partition, region, urlSuffix } = Stack.of(scope);
  key.addToResourcePolicy(
    new PolicyStatement({
      principals: [new ServicePrincipal(`logs.${region}.${urlSuffix}`)],
      actions: ['kms:Decrypt*', 'kms:Describe*', 'kms:Encrypt*', 'kms:GenerateDataKey*', 'kms:ReEncrypt*'],
      resources: ['*'],
      conditions: {
        ArnLike: { 'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*` },
      },
    }),
  );
}

/**
 * Lets a role look at executions that the key encrypts, through Step Functions only. To start one takes no permission:
 * https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html, "Required permissions for API callers".
 */
export function allowExecutions(
  role: IRole,
  key: IKey,
  stateMachineArn: string,
  actions: readonly string[] = ['kms:Decrypt'],
): void {
  const { region, urlSuffix } = Stack.of(role);
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: [...actions],
      resources: [key.keyArn],
      conditions: {
        StringEquals: {
          'kms:ViaService': `states.${region}.${urlSuffix}`,
          'kms:EncryptionContext:aws:states:stateMachineArn': stateMachineArn,
        },
      },
    }),
  );
}
