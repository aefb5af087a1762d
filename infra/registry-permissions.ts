import { Stack, Token } from 'aws-cdk-lib/core';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IAlias, IKey } from 'aws-cdk-lib/aws-kms';
import { isEcrPublic } from '../functions/oci/registry/ecr-host.ts';
import { formatLocation } from '../functions/oci/spec/reference.ts';
import { defaultSources } from '../functions/settings/configuration.ts';
import { sourceLocation } from '../functions/settings/official-sources.ts';
import { parseArn } from '../functions/text/arn.ts';
import { acceptFindings, acceptWildcard } from './accepted-findings.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';
import { type EcrTarget, type TargetRegistry, targetRegistry } from './target-registry.ts';
import type { TaskFunction } from './task-function.ts';
import { createRepository, deleteImages, publicToken, type TaskNeeds, token, writing } from './task-needs.ts';

/**
 * Lets a task do in ECR what it needs: by its own role, or in a session of the role that is assumed, which may do no
 * more than that of what the role may. An account that is known at deployment only may be the role's or another's:
 * there both.
 */
export function allowRegistry(
  { role, handler }: TaskFunction,
  needs: TaskNeeds,
  { ecr: target }: TargetRegistry,
  {
    ecrRoleArn,
    ecrKmsKey,
    ecrCreateRepositories = true,
    allowPrune = false,
    sourceRegistry,
  }: HarnessCiImageFactoryProps,
): void {
  const isTheRoles = (account: string) => ecrRoleArn !== undefined && account === parseArn(ecrRoleArn).accountId;
  const isUnknown = (account: string) => Token.isUnresolved(account) || Token.isUnresolved(ecrRoleArn);
  const inSession = { anywhere: new Set<string>(), inTarget: new Set<string>() };
  const allow = (ecr: EcrTarget, actions: readonly string[] = [], unnamed: readonly string[] = [], key?: IKey) => {
    if (actions.length === 0) return;
    const encrypts = key && actions.includes('ecr:CreateRepository');
    if (isTheRoles(ecr.accountId) || isUnknown(ecr.accountId))
      for (const action of [...actions, ...unnamed, ...(encrypts ? keyActions : [])])
        inSession[writing.has(action) ? 'inTarget' : 'anywhere'].add(action);
    if (isTheRoles(ecr.accountId)) return;
    role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [ecr.repositoriesArn] }));
    acceptWildcard(role, ecr.repositoriesArn, 'One repository per image, below the prefix of the registry.');
    if (unnamed.length > 0) role.addToPolicy(new PolicyStatement({ actions: [...unnamed], resources: ['*'] }));
    if (encrypts) allowKey(role, key, ecr);
  };

  const without = new Set<string>([
    ...(ecrCreateRepositories ? [] : createRepository),
    ...(allowPrune ? [] : [deleteImages]),
  ]);
  const actions = needs.ecr?.filter((action) => !without.has(action));
  if (target) allow(target, actions, needs.ecrRegistry, ecrKmsKey);
  const sources = (sourceRegistry ?? defaultSources).filter((name) => !Token.isUnresolved(name)).map(sourceLocation);
  for (const source of sources) {
    const { ecr } = targetRegistry(role, formatLocation(source));
    if (ecr) allow(ecr, needs.ecrSource, [token]);
  }
  if (needs.ecrSource && sources.some(({ registry }) => isEcrPublic(registry))) allowPublicToken(role);
  if (ecrRoleArn === undefined || inSession.anywhere.size === 0) return;
  role.addToPolicy(new PolicyStatement({ actions: ['sts:AssumeRole'], resources: [ecrRoleArn] }));
  const allowed = (found: ReadonlySet<string>, Resource = '*') =>
    found.size === 0 ? [] : [{ Effect: 'Allow', Action: [...found].toSorted(), Resource }];
  // From which repositories images come, the role itself says: inputs may name other sources than those known here.
  const statements = [...allowed(inSession.anywhere), ...allowed(inSession.inTarget, target?.repositoriesArn)];
  handler.addEnvironment('ECR_SESSION_POLICY', JSON.stringify({ Version: '2012-10-17', Statement: statements }));
}

function allowPublicToken(role: Role): void {
  role.addToPolicy(new PolicyStatement({ actions: [...publicToken], resources: ['*'] }));
  acceptFindings(
    role.node.findChild('DefaultPolicy'),
    ['CKV_AWS_107'],
    'The actions get a token for pulls from ECR Public, and support no resources.',
  );
}

const keyActions = ['kms:CreateGrant', 'kms:DescribeKey'];

/**
 * Lets a role make repositories that the key encrypts, and nothing else with it.
 * https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
 */
function allowKey(role: Role, key: IKey, { accountId, region }: EcrTarget): void {
  const { partition, urlSuffix } = Stack.of(role);
  const keys = `arn:${partition}:kms:${region}:${accountId}:key/*`;
  role.addToPolicy(
    new PolicyStatement({
      actions: keyActions,
      // Policies know no aliases as resources.
      resources: [isAlias(key) ? keys : key.keyArn],
      conditions: {
        StringEquals: { 'kms:ViaService': `ecr.${region}.${urlSuffix}` },
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
