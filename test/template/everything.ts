import { generateKeyPairSync } from 'node:crypto';
import { Duration, Fn, type Stack } from 'aws-cdk-lib/core';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { Alias, Key, KeySpec, KeyUsage } from 'aws-cdk-lib/aws-kms';
import { Function as LambdaFunction, LayerVersion } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { HarnessCiImageFactoryProps } from '../../infra/harness-ci-image-factory.ts';

/** Props that make every resource that the construct can make. */
export function everything(stack: Stack): HarnessCiImageFactoryProps {
  const account = '123456789012';
  return {
    registryName: `${account}.dkr.ecr.eu-west-1.amazonaws.com/mirror`,
    registryCredentialsSecret: Secret.fromSecretNameV2(stack, 'Credentials', 'registries'),
    callbackUrlSecret: Secret.fromSecretNameV2(stack, 'Callback', 'callback'),
    sourceRegistry: ['210987654321.dkr.ecr.eu-west-1.amazonaws.com'],
    gatherScanTemplate: LambdaFunction.fromFunctionArn(
      stack,
      'Scanner',
      `arn:aws:lambda:eu-west-1:${account}:function:scanner:live`,
    ),
    buildPushTemplate: StateMachine.fromStateMachineArn(stack, 'Builder', Fn.importValue('builder')),
    ecrRoleArn: 'arn:aws:iam::210987654321:role/images',
    ecrTagMutability: 'IMMUTABLE_WITH_EXCLUSION',
    ecrTagMutabilityExclude: ['latest*', 'rootless-latest*'],
    ecrKmsKey: Alias.fromAliasName(stack, 'RepositoryKey', 'alias/images'),
    ecrKeepVersions: 40,
    ecrTags: { team: 'platform', 'cost center': 'a=1' },
    ecrTokenSecret: Secret.fromSecretNameV2(stack, 'Password', 'ecr-password'),
    webhook: {},
    vpc: Vpc.fromVpcAttributes(stack, 'Vpc', {
      vpcId: 'vpc-1234567890abcdef0',
      vpcCidrBlock: '10.0.0.0/16',
      availabilityZones: ['eu-west-1a', 'eu-west-1b'],
      privateSubnetIds: ['subnet-1234567890abcdef0', 'subnet-1234567890abcdef1'],
      privateSubnetRouteTableIds: ['rtb-1234567890abcdef0', 'rtb-1234567890abcdef1'],
    }),
    createVpcEndpoints: true,
    proxy: { url: 'http://proxy.example:3128', bypass: ['.corp.example'] },
    layers: [
      LayerVersion.fromLayerVersionArn(
        stack,
        'Certificates',
        `arn:aws:lambda:eu-west-1:${account}:layer:certificates:1`,
      ),
    ],
    registryCerts: '/opt/certs.d',
    extraCaCerts: '/opt/ca.pem',
    encryptionKey: new Key(stack, 'Key', { enableKeyRotation: true }),
    bundleBucket: Bucket.fromBucketName(stack, 'Bundles', 'bundles'),
    bundleSigningKey: new Key(stack, 'BundleKey', { keySpec: KeySpec.ECC_NIST_P256, keyUsage: KeyUsage.SIGN_VERIFY }),
    bundleVerifyKey: generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .publicKey.export({ type: 'spki', format: 'der' })
      .toString('base64'),
    overdueAfter: Duration.days(8),
    permissionsBoundary: ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'boundary'),
  };
}
