import { App, Duration, Stack } from 'aws-cdk-lib/core';
import { Alarm } from 'aws-cdk-lib/aws-cloudwatch';
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { HarnessCiImageFactory, type HarnessCiImageFactoryProps } from 'harness-ci-image-factory';

// An app as users write it. In this project, the package's name stands for the sources; in theirs, for the package.
const app = new App();
new HarnessCiImageFactory(new Stack(app, 'Defaults'), 'ImageFactory');

const stack = new Stack(app, 'Everything');
const props: HarnessCiImageFactoryProps = {
  registryName: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror',
  registryCredentialsSecret: Secret.fromSecretNameV2(stack, 'Credentials', 'registries'),
  callbackUrlSecret: Secret.fromSecretNameV2(stack, 'Callback', 'callback'),
  ecrTokenSecret: 'account.ecr_password',
  ecrTagMutability: 'MUTABLE_WITH_EXCLUSION',
  ecrTagMutabilityExclude: ['latest*'],
  allowPrune: true,
  webhook: { allow: ['pins'] },
  notificationEmails: ['platform@example.com'],
  overdueAfter: Duration.days(10),
  encryptionKey: new Key(stack, 'Key'),
  vpc: Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    vpcCidrBlock: '10.0.0.0/16',
    availabilityZones: ['eu-west-1a'],
    privateSubnetIds: ['subnet-0123456789abcdef0'],
    privateSubnetRouteTableIds: ['rtb-0123456789abcdef0'],
  }),
  securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-0123456789abcdef0')],
  createVpcEndpoints: true,
  proxy: { url: 'http://proxy.example:3128' },
};
const factory = new HarnessCiImageFactory(stack, 'ImageFactory', props);
new Alarm(stack, 'Copied', { metric: factory.metricImagesCopied(), threshold: 1, evaluationPeriods: 1 });
