import { Annotations, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { parseEcrHost } from '../functions/oci/registry/ecr-host.ts';
import { registryLocation } from '../functions/settings/registry-location.ts';

export interface TargetRegistry {
  /** `host[:port][/prefix]` */
  name: string;
  /** `undefined` when the registry is not ECR. */
  ecr: EcrTarget | undefined;
}

export interface EcrTarget {
  accountId: string;
  region: string;
  prefix: string;
  /** The ARN pattern of the repositories in policies. */
  repositoriesArn: string;
  /** The ARN patterns of those for images of Harness, where others may have repositories beside them. */
  officialArns: string[];
}

/** The prefix of copies in the account's own registry, which may have the repositories of others, too. */
const defaultPrefix = 'harness-ci';

/** The registry named `name`, which is no token, else a prefix of the stack's own ECR registry. */
export function targetRegistry(scope: Construct, name: string | undefined): TargetRegistry {
  if (name === undefined) return ownRegistry(scope, defaultPrefix);
  const { registry, prefix } = registryLocation(name);
  const host = parseEcrHost(registry);
  return { name, ecr: host && ecrTarget(scope, { ...host, prefix }) };
}

/**
 * The registry that stored the copies before: the one named `name`, else, without a name for the present one, the
 * stack's own ECR registry without a prefix, where releases before 0.2.0 stored them.
 */
export function formerRegistry(
  scope: Construct,
  name: string | undefined,
  present: string | undefined,
): TargetRegistry | undefined {
  if (name !== undefined) return targetRegistry(scope, name);
  return present === undefined ? ownRegistry(scope, '') : undefined;
}

/** A prefix of the ECR registry of the stack's own account and region. */
function ownRegistry(scope: Construct, prefix: string): TargetRegistry {
  const { account: accountId, region, urlSuffix } = Stack.of(scope);
  const host = `${accountId}.dkr.ecr.${region}.${urlSuffix}`;
  return { name: prefix === '' ? host : `${host}/${prefix}`, ecr: ecrTarget(scope, { accountId, region, prefix }) };
}

function ecrTarget(
  scope: Construct,
  { accountId, region, prefix }: Pick<EcrTarget, 'accountId' | 'region' | 'prefix'>,
): EcrTarget {
  const below = `arn:${Stack.of(scope).partition}:ecr:${region}:${accountId}:repository/${prefix && `${prefix}/`}`;
  const officialArns = ['harness', 'plugins'].map((namespace) => `${below}${namespace}/*`);
  return { accountId, region, prefix, repositoriesArn: `${below}*`, officialArns };
}

/** Warns at synthesis that the functions may push to all repositories of an ECR registry. */
export function warnWithoutPrefix(scope: Construct, { name, ecr }: TargetRegistry): void {
  if (ecr?.prefix !== '') return;
  Annotations.of(scope).addWarningV2(
    'harness-ci-image-factory:registry-without-prefix',
    `registryName ${name} has no prefix: the functions may push to every repository of that registry. Add a prefix, such as ${name}/${defaultPrefix}.`,
  );
}
