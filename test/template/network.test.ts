import { describe, expect, it } from '@jest/globals';
import { Match } from 'aws-cdk-lib/assertions';
import { type IVpc, Port, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { HarnessCiImageFactory, type HarnessCiImageFactoryProps } from '../../infra/harness-ci-image-factory.ts';
import { everything } from './everything.ts';
import { embed, fill, text } from './synthesize.ts';

const interfaces = 'arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>:*/*';
const subnetsOfAnybody = 'arn:<AWS::Partition>:ec2:<AWS::Region>:*:subnet/*';
const notByTheFunction = ' if {"Null":{"lambda:SourceFunctionArn":"true"}}';

const ecrIn = (region: string) => `123456789012.dkr.ecr.${region}.amazonaws.com/mirror`;

describe('functions without a VPC', () => {
  const { template, functions, permissions } = embed();

  it('there are no networks, proxies or certificates', () => {
    for (const type of ['AWS::EC2::SecurityGroup', 'AWS::EC2::VPCEndpoint']) template.resourceCountIs(type, 0);
    for (const [task, { VpcConfig, Layers, Environment }] of functions) {
      expect([VpcConfig, Layers]).toEqual([undefined, undefined]);
      expect(permissions(task).join()).not.toContain('ec2:');
      expect(Object.keys(Environment.Variables).join()).not.toMatch(/PROXY|CERTS/);
    }
  });
});

describe('functions in a VPC', () => {
  const made = embed(everything);
  const { template, functions, permissions, factory } = made;

  it('every function is in its private subnets, also those outside the workflow', () => {
    const found = Object.values(template.findResources('AWS::Lambda::Function'));
    expect(found).toHaveLength(functions.size + 3);
    expect([factory.webhook, factory.ecrToken, factory.overdueCheck]).not.toContain(undefined);
    template.allResourcesProperties('AWS::Lambda::Function', {
      VpcConfig: { SubnetIds: ['subnet-1234567890abcdef0', 'subnet-1234567890abcdef1'] },
    });
  });

  /** Returns the ingress of the security group of the functions, and the ports of its egress. */
  const securityGroup = ({ template }: ReturnType<typeof embed>) => {
    const groups = Object.values(template.findResources('AWS::EC2::SecurityGroup')).map(
      ({ Properties }) =>
        Properties as {
          GroupDescription: string;
          SecurityGroupIngress?: object;
          SecurityGroupEgress: { FromPort: number; ToPort: number }[];
        },
    );
    const found = groups.find(({ GroupDescription }) => GroupDescription.startsWith('Functions'));
    const ports = found?.SecurityGroupEgress.map(({ FromPort, ToPort }) => (FromPort === ToPort ? ToPort : Number.NaN));
    return { ingress: found?.SecurityGroupIngress, ports: ports?.toSorted((a, b) => a - b) };
  };

  it('nobody connects to the functions, and they connect to the ports of the proxy and of TLS', () => {
    expect(securityGroup(made)).toEqual({ ingress: undefined, ports: [443, 3128] });
  });

  it('they reach the ports of every address in the props', () => {
    const addressed = embed((stack) => ({
      vpc: everything(stack).vpc,
      registryName: 'registry.example:5000/mirror',
      sourceRegistry: ['gar', 'hub.example:8443/x'],
      insecureRegistries: ['a.example', 'b.example:81'],
      harnessUrl: 'https://harness.example:9443/gateway',
      trustedTokenHosts: ['tokens.example:444'],
      trustedPrivateHosts: ['minio.corp:9000', '[fd00::5]:9001', 'fd00::9002', '10.0.0.0/8', 'fd00::/8', '.corp'],
    }));
    expect(securityGroup(addressed).ports).toEqual([80, 81, 443, 444, 5000, 8443, 9000, 9001, 9443]);
  });

  it('Lambda may connect them, also to subnets that another account shares, with their role; they themselves may not', () => {
    for (const task of functions.keys()) {
      expect(permissions(task).filter((permission) => permission.startsWith('ec2:'))).toEqual([
        `ec2:AssignPrivateIpAddresses ${interfaces}${notByTheFunction}`,
        `ec2:CreateNetworkInterface ${subnetsOfAnybody}${notByTheFunction}`,
        `ec2:CreateNetworkInterface ${interfaces}${notByTheFunction}`,
        `ec2:DeleteNetworkInterface ${interfaces}${notByTheFunction}`,
        `ec2:DescribeNetworkInterfaces *${notByTheFunction}`,
        `ec2:DescribeSubnets *${notByTheFunction}`,
        `ec2:UnassignPrivateIpAddresses ${interfaces}${notByTheFunction}`,
      ]);
    }
    for (const role of Object.values(template.findResources('AWS::IAM::Role')))
      expect(role.Properties).not.toHaveProperty('ManagedPolicyArns');
  });

  const endpointsOf = ({ template }: ReturnType<typeof embed>) =>
    Object.values(template.findResources('AWS::EC2::VPCEndpoint')).map(({ Properties }) => {
      const endpoint = Properties as {
        ServiceName: unknown;
        VpcEndpointType: string;
        PrivateDnsEnabled?: boolean;
        SecurityGroupIds?: unknown[];
      };
      return { ...endpoint, name: text(endpoint.ServiceName).replace(/^com\.amazonaws\.[^.]+\./, '') };
    });

  it('they reach AWS by endpoints, when these are asked for', () => {
    const endpoints = endpointsOf(made);
    expect(endpoints.map(({ name }) => name).toSorted()).toEqual([
      'ecr.api',
      'ecr.dkr',
      'events',
      'kms',
      'lambda',
      's3',
      'secretsmanager',
      'sns',
      'states',
      'sts',
    ]);
    for (const { VpcEndpointType, PrivateDnsEnabled } of endpoints)
      expect(PrivateDnsEnabled ?? false).toBe(VpcEndpointType === 'Interface');
  });

  it('the endpoints admit them from whatever addresses they have, and the VPC, whose names they take', () => {
    const groups = Object.entries(template.findResources('AWS::EC2::SecurityGroup'));
    const idOf = (start: string) =>
      groups.find(([, { Properties }]) =>
        (Properties as { GroupDescription: string }).GroupDescription.startsWith(start),
      )?.[0];
    const group = (id: string | undefined) => ({ 'Fn::GetAtt': [id, 'GroupId'] });
    for (const { VpcEndpointType, SecurityGroupIds } of endpointsOf(made))
      expect(SecurityGroupIds).toEqual(VpcEndpointType === 'Interface' ? [group(idOf('Endpoints'))] : undefined);
    template.hasResourceProperties('AWS::EC2::SecurityGroup', {
      GroupDescription: 'Endpoints of Harness CI Image Factory',
      SecurityGroupIngress: [Match.objectLike({ CidrIp: '10.0.0.0/16', FromPort: 443, ToPort: 443 })],
    });
    template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      GroupId: group(idOf('Endpoints')),
      SourceSecurityGroupId: group(idOf('Functions')),
      FromPort: 443,
      ToPort: 443,
    });
  });

  it.each<[string, boolean, Partial<HarnessCiImageFactoryProps>]>([
    ['the registry of the account', true, {}],
    ['a target there', true, { registryName: ecrIn('eu-west-1') }],
    ['a source there', true, { registryName: 'registry.example', sourceRegistry: ['gar', ecrIn('eu-west-1')] }],
    ['a target in another region', false, { registryName: ecrIn('us-east-1') }],
    ['another registry', false, { registryName: 'registry.example', sourceRegistry: ['ecr-public'] }],
  ])('there are endpoints of ECR with %s: %j', (_, expected, registries) => {
    const { template } = fill(
      (stack) => {
        const { vpc } = everything(stack);
        return new HarnessCiImageFactory(stack, 'Factory', { vpc, createVpcEndpoints: true, ...registries });
      },
      { env: { account: '123456789012', region: 'eu-west-1' } },
    );
    const endpoints = JSON.stringify(template.findResources('AWS::EC2::VPCEndpoint'));
    expect(['.ecr.api', '.ecr.dkr'].map((name) => endpoints.includes(name))).toEqual([expected, expected]);
  });

  it('there are no endpoints of Lambda without a template there, and none unasked', () => {
    const elsewhere = embed((stack) => {
      const { vpc, createVpcEndpoints, buildPushTemplate } = everything(stack);
      return { vpc, createVpcEndpoints, buildPushTemplate, registryName: 'registry.example' };
    });
    expect(endpointsOf(elsewhere).map(({ name }) => name)).not.toContain('lambda');
    const unasked = embed((stack) => ({ vpc: everything(stack).vpc }));
    unasked.template.resourceCountIs('AWS::EC2::VPCEndpoint', 0);
  });

  it('a registry in the VPC can be opened to them', () => {
    const { template } = fill((stack) => {
      const { vpc } = everything(stack);
      if (!vpc) throw new TypeError();
      const registry = new SecurityGroup(stack, 'Registry', { vpc });
      registry.connections.allowFrom(new HarnessCiImageFactory(stack, 'Factory', { vpc }), Port.tcp(5000));
    });
    const ingress = template.findResources('AWS::EC2::SecurityGroupIngress');
    expect(Object.values(ingress).map(({ Properties }) => Properties as object)).toEqual([
      expect.objectContaining({
        GroupId: { 'Fn::GetAtt': [expect.stringMatching(/^Registry/), 'GroupId'] },
        SourceSecurityGroupId: { 'Fn::GetAtt': [expect.stringMatching(/^FactorySecurityGroup/), 'GroupId'] },
        ToPort: 5000,
      }),
    ]);
  });

  it('the subnets and security groups may be others', () => {
    const placed = embed((stack) => ({
      vpc: new Vpc(stack, 'Vpc', {
        subnetConfiguration: [{ name: 'quiet', subnetType: SubnetType.PRIVATE_ISOLATED }],
      }) as IVpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-1234567890abcdef0')],
    }));
    placed.template.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    for (const { VpcConfig } of placed.functions.values()) {
      expect(VpcConfig?.SecurityGroupIds).toEqual(['sg-1234567890abcdef0']);
      expect(VpcConfig?.SubnetIds.map(text).join()).toContain('quietSubnet1');
    }
  });

  it('they connect by the proxy, except to AWS in their region where there are endpoints', () => {
    for (const { Environment } of functions.values()) {
      expect(Environment.Variables).toMatchObject({
        HTTPS_PROXY: 'http://proxy.example:3128',
        HTTP_PROXY: 'http://proxy.example:3128',
      });
      expect(text(Environment.Variables['NO_PROXY'])).toBe('.corp.example,.<AWS::Region>.<AWS::URLSuffix>');
    }
    const plain = embed(() => ({ proxy: { url: 'http://proxy.example:3128' } }));
    for (const { Environment } of plain.functions.values())
      expect(Environment.Variables).not.toHaveProperty('NO_PROXY');
  });

  it('they trust the certificates of the layers', () => {
    for (const { Environment, Layers } of functions.values()) {
      expect(Environment.Variables).toMatchObject({
        REGISTRY_CERTS: '/opt/certs.d',
        NODE_EXTRA_CA_CERTS: '/opt/ca.pem',
      });
      expect(Layers).toEqual(['arn:aws:lambda:eu-west-1:123456789012:layer:certificates:1']);
    }
  });
});
