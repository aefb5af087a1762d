import { describe, expect, it } from '@jest/globals';
import type { App } from 'aws-cdk-lib/core';
import { Template } from 'aws-cdk-lib/assertions';
import { parseDeploymentSettings } from '../../infra/deployment-settings.ts';
import { HarnessCiImageFactoryStack } from '../../infra/stack.ts';
import { problemsFrom } from '../settings/problems-from.ts';
import { embed, newApp, synthesize, text, withoutTraces } from './synthesize.ts';

const key = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const topic = 'arn:aws:sns:eu-west-1:123456789012:outcomes';
const network = {
  VPC_ID: 'vpc-1234567890abcdef0',
  VPC_SUBNETS: 'subnet-1234567890abcdef0, subnet-1234567890abcdef1',
  VPC_SECURITY_GROUPS: 'sg-1234567890abcdef0',
};
const boundaries = ['boundary', 'arn:aws:iam::123456789012:policy/team/boundary'] as const;
/** Two deployments whose settings have nothing to do with each other: each test reads its own. */
const deployments = [
  {
    ...network,
    PERMISSIONS_BOUNDARY: boundaries[0],
    PROXY_URL: 'http://proxy.example:3128',
    PROXY_BYPASS: '.corp, 10.0.0.0/8',
    LOG_RETENTION_DAYS: 'never',
  },
  {
    ...network,
    VPC_SECURITY_GROUPS: '',
    PERMISSIONS_BOUNDARY: boundaries[1],
    LOG_RETENTION_DAYS: '30',
    OVERDUE_AFTER_HOURS: '50',
  },
] as const;
const env = { account: '123456789012', region: 'eu-west-1' };

function stackWith(settings: object, lookedUp: Record<string, unknown> = {}): HarnessCiImageFactoryStack {
  const configuration = parseDeploymentSettings({
    HARNESS_API_KEY_SECRET: 'key',
    REGISTRY_NAME: 'registry.example',
    SOURCE_REGISTRY: 'gar',
    ...network,
    ...settings,
  });
  return withoutTraces(() => new HarnessCiImageFactoryStack(newApp(lookedUp), 'Stack', { configuration, env }));
}

describe('variables that name existing resources', () => {
  it('put the functions into subnets and security groups by their ids, without a look-up', () => {
    const { functions, template, stack } = synthesize(deployments[0]);
    for (const { VpcConfig } of functions.values())
      expect(VpcConfig).toEqual({
        SubnetIds: ['subnet-1234567890abcdef0', 'subnet-1234567890abcdef1'],
        SecurityGroupIds: ['sg-1234567890abcdef0'],
      });
    template.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    expect(stack.account).toMatch(/Token/);
  });

  it('make a security group in the VPC when none is given', () => {
    const { template } = synthesize(deployments[1]);
    template.hasResourceProperties('AWS::EC2::SecurityGroup', { VpcId: network.VPC_ID });
  });

  it.each([
    ['private ones', { VPC_SUBNETS: '' }, ['subnet-00000001', 'subnet-00000002']],
    ['those with a tag', { VPC_SUBNETS: 'tier=apps' }, ['subnet-00000002']],
    [
      'those with a tag, and their endpoints',
      { VPC_SUBNETS: 'tier=apps', CREATE_VPC_ENDPOINTS: 'on' },
      ['subnet-00000002'],
    ],
  ])('look the VPC up for its subnets: %s', (_, settings, expected) => {
    const [missing] = (stackWith(settings).node.root as App).synth().manifest.missing ?? [];
    expect(missing).toMatchObject({
      provider: 'vpc-provider',
      props: { ...env, filter: { 'vpc-id': network.VPC_ID } },
    });
    const subnet = (subnetId: string) => ({
      subnetId,
      cidr: '10.0.0.0/24',
      availabilityZone: 'eu-west-1a',
      routeTableId: 'rtb-00000001',
    });
    const byTag = 'subnetGroupNameTag' in (missing?.props ?? {});
    const group = (name: string, ...ids: string[]) => ({ name, type: 'Private', subnets: ids.map(subnet) });
    const stack = stackWith(settings, {
      [missing?.key ?? '']: {
        vpcId: network.VPC_ID,
        vpcCidrBlock: '10.0.0.0/16',
        ownerAccountId: env.account,
        availabilityZones: [],
        subnetGroups: byTag
          ? [group('apps', 'subnet-00000002'), group('Private', 'subnet-00000001')]
          : [group('Private', 'subnet-00000001', 'subnet-00000002')],
      },
    });
    const template = Template.fromStack(stack);
    template.allResourcesProperties('AWS::Lambda::Function', { VpcConfig: { SubnetIds: expected } });
    template.resourceCountIs('AWS::EC2::VPCEndpoint', 'CREATE_VPC_ENDPOINTS' in settings ? 6 : 0);
  });

  it('name the variable when the VPC has no subnets with the tag', () => {
    const settings = { VPC_SUBNETS: 'tier=apps' };
    const [missing] = (stackWith(settings).node.root as App).synth().manifest.missing ?? [];
    const vpc = { vpcId: network.VPC_ID, availabilityZones: [], subnetGroups: [] };
    const [problem] = problemsFrom('InvalidConfiguration', () => stackWith(settings, { [missing?.key ?? '']: vpc }));
    expect(problem).toMatchObject({ path: 'VPC_SUBNETS', found: '"tier=apps"' });
  });

  it('encrypt by a key, and keep state and notifications where they are told to', () => {
    const { template, functions, permissions } = synthesize({
      KMS_KEY_ARN: key,
      NOTIFICATION_TOPIC_ARN: topic,
      NOTIFICATION_TOPIC_KEY_ARN: key,
      STATE_BUCKET_NAME: 'state-of-old',
    });
    for (const type of ['AWS::KMS::Key', 'AWS::S3::Bucket', 'AWS::SNS::Topic']) template.resourceCountIs(type, 0);
    template.allResourcesProperties('AWS::Logs::LogGroup', { KmsKeyId: key });
    expect(functions.get('report')?.Environment.Variables).toMatchObject({
      STATE_BUCKET: 'state-of-old',
      NOTIFICATION_TOPIC_ARN: topic,
    });
    expect(permissions('gate')).toContain(`kms:GenerateDataKey ${key}`);
  });

  it.each(deployments)('bound every role by $PERMISSIONS_BOUNDARY', (deployment) => {
    const { template } = synthesize(deployment);
    for (const { Properties } of Object.values(template.findResources('AWS::IAM::Role')))
      expect(text((Properties as { PermissionsBoundary: unknown }).PermissionsBoundary)).toMatch(
        new RegExp(`:policy/(?:team/)?boundary$`),
      );
  });

  it('lead the functions through a proxy', () => {
    const { functions } = synthesize(deployments[0]);
    for (const { Environment } of functions.values())
      expect(Environment.Variables).toMatchObject({
        HTTPS_PROXY: 'http://proxy.example:3128',
        NO_PROXY: '.corp,10.0.0.0/8',
      });
  });

  it.each([
    ['never', undefined, deployments[0]],
    ['30', 30, deployments[1]],
  ])('keep logs for %s days', (_, days, deployment) => {
    const logs = Object.values(synthesize(deployment).template.findResources('AWS::Logs::LogGroup'));
    for (const { Properties } of logs)
      expect((Properties as { RetentionInDays?: number } | undefined)?.RetentionInDays).toBe(days);
  });

  it('say when a sync is overdue', () => {
    const { template } = synthesize(deployments[1]);
    template.hasResourceProperties('AWS::CloudWatch::Alarm', { EvaluationPeriods: 50 });
  });
});

describe('props and variables of one meaning', () => {
  it('follow one rule', () => {
    const proxy = { url: 'proxy.example:3128' };
    expect(() => embed(() => ({ proxy }))).toThrow(/proxy\.url: found \(not shown\); allowed: http:\/\/host:port/);
  });
});
