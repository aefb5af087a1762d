import { Stack } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IAlias, IKey } from 'aws-cdk-lib/aws-kms';
import { acceptWildcard } from './accepted-finding.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';
import type { EcrTarget, TargetRegistry } from './target-registry.ts';
import type { TaskNeeds } from './task-needs.ts';

/** Lets the role of a task do in ECR what the task needs: itself, or as the role that is assumed. */
export function allowRegistry(
  role: Role,
  needs: TaskNeeds,
  { ecr }: TargetRegistry,
  { ecrRoleArn, ecrKmsKey }: HarnessCiImageFactoryProps,
): void {
  if (!needs.ecr) return;
  if (ecrRoleArn !== undefined)
    role.addToPolicy(new PolicyStatement({ actions: ['sts:AssumeRole'], resources: [ecrRoleArn] }));
  // What is asked as that role, it is that role's to be allowed.
  if (!ecr || ecr.accountId === ecrRoleArn?.split(':')[4]) return;
  role.addToPolicy(new PolicyStatement({ actions: [...needs.ecr], resources: [ecr.repositoriesArn] }));
  acceptWildcard(role, ecr.repositoriesArn, 'One repository per image, below the prefix of registryName.');
  const unnamed = ['ecr:GetAuthorizationToken', ...(needs.ecrRegistry ?? [])];
  role.addToPolicy(new PolicyStatement({ actions: unnamed, resources: ['*'] }));
  if (ecrKmsKey && needs.ecr.includes('ecr:CreateRepository')) allowKey(role, ecrKmsKey, ecr);
}

/**
 * Lets a role make repositories that the key encrypts, and nothing else with it.
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
 */
function allowKey(role: Role, key: IKey, { accountId, region }: EcrTarget): void {
  const { partition } = Stack.of(role);
  const keys = `arn:${partition}:kms:${region}:${accountId}:key/*`;
  role.addToPolicy(
    new PolicyStatement({
      actions: ['kms:CreateGrant', 'kms:DescribeKey'],
      // Policies know no aliases as resources.
      resources: [isAlias(key) ? keys : key.keyArn],
      conditions: {
        StringEquals: { 'kms:ViaService': `ecr.${region}.amazonaws.com` },
        ...(isAlias(key) && { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': key.aliasName } }),
      },
    }),
  );
  if (isAlias(key)) acceptWildcard(role, keys, 'By its condition, the one key that has the alias.');
}

/** The key as CreateRepository takes it: an alias by its name, which is looked for where the repository is. */
export function keyName(key: IKey): string {
  return isAlias(key) ? key.aliasName : key.keyArn;
}

function isAlias(key: IKey): key is IAlias {
  return 'aliasName' in key;
}
