import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { parseEcrHost } from '../functions/aws/ecr.ts';
import { parseRegistryLocation } from '../functions/oci/reference.ts';

/** Where images go, and, when that is ECR, what its repositories are called in policies. */
export interface TargetRegistry {
  /** `host[:port][/prefix]` */
  name: string;
  /** `undefined` when the registry is not ECR. */
  repositoriesArn: string | undefined;
}

/** The registry named `name`, which is no token, else the ECR registry of the stack's own account and region. */
export function targetRegistry(scope: Construct, name: string | undefined): TargetRegistry {
  const { account, partition, region, urlSuffix } = Stack.of(scope);
  const repositories = (where: { region: string; accountId: string }, path: string) =>
    `arn:${partition}:ecr:${where.region}:${where.accountId}:repository/${path}*`;

  if (name === undefined)
    return {
      name: `${account}.dkr.ecr.${region}.${urlSuffix}`,
      repositoriesArn: repositories({ region, accountId: account }, ''),
    };
  const { registry, prefix } = parseRegistryLocation(name);
  const ecr = parseEcrHost(registry);
  return { name, repositoriesArn: ecr && repositories(ecr, prefix && `${prefix}/`) };
}
