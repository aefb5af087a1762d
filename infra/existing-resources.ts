import { Annotations, Duration, type Stack } from 'aws-cdk-lib/core';
import { type IVpc, SecurityGroup, Subnet, type SubnetSelection, Vpc } from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { FactoryError } from '../functions/errors.ts';
import { render } from '../functions/settings/problems.ts';
import { isArn } from '../functions/text/arn.ts';
import type { DeploymentSettings } from './deployment-settings.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory.ts';
import type { Subnets } from './resource-ids.ts';

/** Returns the props for what variables name: resources that exist already, and times. */
export function existingResources(stack: Stack, settings: DeploymentSettings) {
  const { kmsKeyArn, stateBucketName, notificationTopicArn, notificationTopicKeyArn, permissionsBoundary } = settings;
  const { bundleBucket, bundleBucketKeyArn, bundleSigningKey } = settings;
  const { proxyUrl, proxyBypass, logRetentionDays, overdueAfterHours } = settings;
  const encryptionKey = kmsKeyArn === undefined ? undefined : Key.fromKeyArn(stack, 'EncryptionKey', kmsKeyArn);
  const boundary = isArn(permissionsBoundary ?? '') ? 'fromManagedPolicyArn' : 'fromManagedPolicyName';
  return {
    ...network(stack, settings),
    proxy: proxyUrl === undefined ? undefined : { url: proxyUrl, bypass: proxyBypass },
    encryptionKey,
    bucket:
      stateBucketName === undefined
        ? undefined
        : Bucket.fromBucketAttributes(stack, 'StateBucket', {
            bucketName: stateBucketName,
            ...(encryptionKey && { encryptionKey }),
          }),
    bundleBucket:
      bundleBucket === undefined
        ? undefined
        : Bucket.fromBucketAttributes(stack, 'BundleBucket', {
            bucketName: bundleBucket,
            ...(bundleBucketKeyArn !== undefined && {
              encryptionKey: Key.fromKeyArn(stack, 'BundleBucketKey', bundleBucketKeyArn),
            }),
          }),
    bundleSigningKey:
      bundleSigningKey === undefined ? undefined : Key.fromKeyArn(stack, 'BundleSigningKey', bundleSigningKey),
    topic:
      notificationTopicArn === undefined
        ? undefined
        : Topic.fromTopicAttributes(stack, 'NotificationTopic', {
            topicArn: notificationTopicArn,
            ...(notificationTopicKeyArn !== undefined && { keyArn: notificationTopicKeyArn }),
          }),
    permissionsBoundary:
      permissionsBoundary === undefined
        ? undefined
        : ManagedPolicy[boundary](stack, 'PermissionsBoundary', permissionsBoundary),
    logRetention: logRetentionDays,
    overdueAfter: overdueAfterHours === undefined ? undefined : Duration.hours(overdueAfterHours),
  } satisfies HarnessCiImageFactoryProps;
}

/** Returns true if `cdk` must look up the subnets of the VPC in the account. */
export function needsLookup({ vpcId, vpcSubnets }: DeploymentSettings): boolean {
  return vpcId !== undefined && !(vpcSubnets && 'ids' in vpcSubnets);
}

function network(stack: Stack, settings: DeploymentSettings) {
  const { vpcId, vpcSubnets, vpcSecurityGroups, createVpcEndpoints } = settings;
  if (vpcId === undefined)
    return { vpc: undefined, vpcSubnets: undefined, securityGroups: undefined, createVpcEndpoints: undefined };
  const securityGroups = vpcSecurityGroups?.map((id) =>
    SecurityGroup.fromSecurityGroupId(stack, id, id, { mutable: false }),
  );
  return { ...subnetsOf(stack, vpcId, vpcSubnets), securityGroups, createVpcEndpoints };
}

interface Place {
  readonly vpc: IVpc;
  readonly vpcSubnets: SubnetSelection | undefined;
}

/** Imports the VPC with the subnets that are given by their ids. Else looks them up. */
function subnetsOf(stack: Stack, vpcId: string, chosen: Subnets | undefined): Place {
  if (chosen && 'ids' in chosen) {
    Annotations.of(stack).acknowledgeWarning(
      '@aws-cdk/aws-ec2:noSubnetRouteTableId',
      'Only endpoints need route tables.',
    );
    return {
      vpc: Vpc.fromVpcAttributes(stack, 'Vpc', { vpcId, availabilityZones: stack.availabilityZones }),
      vpcSubnets: { subnets: chosen.ids.map((id) => Subnet.fromSubnetId(stack, id, id)) },
    };
  }
  const vpc = Vpc.fromLookup(stack, 'Vpc', { vpcId, ...(chosen && { subnetGroupNameTag: chosen.tag }) });
  // Until `cdk` has looked it up, CDK has a made-up VPC in its place, without such subnets.
  if (!chosen || vpc.vpcId !== vpcId) return { vpc, vpcSubnets: undefined };
  const vpcSubnets = { subnetGroupName: chosen.value };
  try {
    vpc.selectSubnets(vpcSubnets);
  } catch (error) {
    throw new FactoryError('InvalidConfiguration', `${vpcId} has no such subnets`, {
      hint: 'Correct VPC_SUBNETS.',
      cause: error,
      problems: [
        {
          path: 'VPC_SUBNETS',
          found: render(`${chosen.tag}=${chosen.value}`),
          allowed: `ids, or a tag that subnets of ${vpcId} have`,
        },
      ],
    });
  }
  return { vpc, vpcSubnets };
}
