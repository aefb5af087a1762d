import { Stack } from 'aws-cdk-lib/core';
import { ServicePrincipal, type ServicePrincipalOpts } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { principalSuffix } from '../functions/oci/registry/aws-partitions.ts';

/** The principal of an AWS service, such as `lambda`. */
export function servicePrincipal(service: string, options?: ServicePrincipalOpts): ServicePrincipal {
  return new ServicePrincipal(`${service}.${principalSuffix}`, options);
}

/**
 * The principal of EventBridge Scheduler, for schedules of this account that are in the default group. It names a group,
 * not a schedule: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
 */
export function scheduler(scope: Construct): ServicePrincipal {
  const { account, partition, region } = Stack.of(scope);
  const group = `arn:${partition}:scheduler:${region}:${account}:schedule-group/default`;
  return servicePrincipal('scheduler', {
    conditions: { StringEquals: { 'aws:SourceAccount': account }, ArnEquals: { 'aws:SourceArn': group } },
  });
}
