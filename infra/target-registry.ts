import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { parseEcrHost } from '../functions/aws/ecr.ts';
import { registryLocation } from '../functions/settings/registry-location.ts';

/** The registry that stores the copies. */
export interface TargetRegistry {
  /** `host[:port][/prefix]` */
  name: string;
  /** `undefined` when the registry is not ECR. */
  ecr: EcrTarget | undefined;
}

export interface EcrTarget {
  accountId: string;
  region: string;
  /** The ARN pattern of the repositories in policies. */
  repositoriesArn: string;
}

/** The registry named `name`, which is no token, else the ECR registry of the stack's own account and region. */
export function targetRegistry(scope: Construct, name: string | undefined): TargetRegistry {
  const { account, partition, region, urlSuffix } = Stack.of(scope);
  const target = (where: { accountId: string; region: string }, path: string): EcrTarget => ({
    accountId: where.accountId,
    region: where.region,
    repositoriesArn: `arn:${partition}:ecr:${where.region}:${where.accountId}:repository/${path}*`,
  });

  if (name === undefined)
    return { name: `${account}.dkr.ecr.${region}.${urlSuffix}`, ecr: target({ accountId: account, region }, '') };
  const { registry, prefix } = registryLocation(name);
  const host = parseEcrHost(registry);
  return { name, ecr: host && target(host, prefix && `${prefix}/`) };
}
