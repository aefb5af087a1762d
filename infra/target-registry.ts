import { Annotations, Stack, Token } from 'aws-cdk-lib/core';
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

/** The registry named `name`, else a prefix of the stack's own ECR registry. A name that is a token is not of ECR. */
export function targetRegistry(scope: Construct, name: string | undefined, prefix = defaultPrefix): TargetRegistry {
  if (name === undefined) return ownRegistry(scope, prefix);
  if (Token.isUnresolved(name)) return { name, ecr: undefined };
  const location = registryLocation(name);
  const host = parseEcrHost(location.registry);
  return { name, ecr: host && ecrTarget(scope, { ...host, prefix: location.prefix }) };
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

/** Warns at synthesis of permissions in ECR that are wider, or may be narrower, than the copies need. */
export function warnAboutRegistry(scope: Construct, { name, ecr }: TargetRegistry): void {
  const warn = (id: string, text: string) =>
    Annotations.of(scope).addWarningV2(`harness-ci-image-factory:${id}`, `registryName ${text}`);
  if (Token.isUnresolved(name) && ecr === undefined)
    warn(
      'registry-token',
      'is known at deployment only: the functions get no permissions in ECR. For the ECR registry of this account and region, give registryPrefix instead.',
    );
  if (ecr?.prefix === '')
    warn(
      'registry-without-prefix',
      `${name} has no prefix: the functions may push to every repository of that registry. Add a prefix, such as ${name}/${defaultPrefix}.`,
    );
}
