import { isIPv6 } from 'node:net';
import { Stack, Token } from 'aws-cdk-lib/core';
import {
  GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  type SubnetSelection,
} from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { parseEcrHost } from '../functions/oci/registry/ecr-host.ts';
import { withoutScheme } from '../functions/settings/registry-location.ts';
import { acceptWildcard } from './accepted-findings.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';

/** The VPC, subnets and security groups of the functions. */
export interface FunctionNetwork {
  readonly vpc: IVpc;
  readonly vpcSubnets?: SubnetSelection;
  readonly securityGroups: ISecurityGroup[];
}

/** The place of the functions; `undefined` outside a VPC. */
export function functionNetwork(scope: Construct, props: HarnessCiImageFactoryProps): FunctionNetwork | undefined {
  const { vpc, vpcSubnets, securityGroups } = props;
  if (!vpc) return undefined;
  return {
    vpc,
    ...(vpcSubnets && { vpcSubnets }),
    securityGroups: securityGroups ? [...securityGroups] : [outboundOnly(scope, vpc, props)],
  };
}

/** Nobody connects to the functions; they connect to what the props name, and to AWS. */
function outboundOnly(scope: Construct, vpc: IVpc, props: HarnessCiImageFactoryProps): SecurityGroup {
  const description = 'Functions of Harness CI Image Factory';
  const group = new SecurityGroup(scope, 'SecurityGroup', { vpc, description, allowAllOutbound: false });
  for (const port of ports(props)) group.addEgressRule(Peer.anyIpv4(), Port.tcp(port));
  return group;
}

/** 443, and the ports in the addresses that the props hold. */
function ports(props: HarnessCiImageFactoryProps): Set<number> {
  const { sourceRegistry = [], trustedTokenHosts = [], insecureRegistries = [], trustedPrivateHosts = [] } = props;
  const registries = [props.registryName ?? [], ...sourceRegistry, ...trustedTokenHosts].flat();
  const addresses = [
    [props.harnessUrl ?? [], props.proxy?.url ?? []].flat(2),
    registries.map((name) => `https://${name}`),
    insecureRegistries.map((name) => `http://${name}`),
  ].flat();
  // What is not known before the deployment is taken to be at 443.
  const known = addresses.filter((address) => !Token.isUnresolved(address));
  return new Set([443, ...known.map((address) => portOf(new URL(address))), ...trustedPrivateHosts.flatMap(namedPort)]);
}

/** Returns the port of a host. The end of an IPv6 address is not a port. */
function namedPort(host: string): number[] {
  const [, port] = /:(\d+)$/.exec(host) ?? [];
  return port === undefined || isIPv6(host) ? [] : [Number(port)];
}

function portOf({ port, protocol }: URL): number {
  return Number(port || (protocol === 'http:' ? 80 : 443));
}

/** The endpoints of what the functions call. Their logs and traces need none: Lambda itself delivers those. */
export function addVpcEndpoints(
  scope: Construct,
  { vpc, vpcSubnets, securityGroups }: FunctionNetwork,
  {
    registryName,
    sourceRegistry = [],
    gatherScanTemplate,
    buildPushTemplate,
    bundleSigningKey,
  }: HarnessCiImageFactoryProps,
): void {
  const subnets = vpcSubnets ?? {};
  const lambda = [gatherScanTemplate, buildPushTemplate].some((template) => template && 'functionArn' in template);
  const ecr = [registryName ?? [], ...sourceRegistry].flat().some((name) => isEcrOf(Stack.of(scope).region, name));
  // ECR keeps layers in S3, so that they come through here as well.
  new GatewayVpcEndpoint(scope, 'S3Endpoint', { vpc, service: GatewayVpcEndpointAwsService.S3, subnets: [subnets] });
  const services = {
    SecretsManager: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    Sns: InterfaceVpcEndpointAwsService.SNS,
    Events: InterfaceVpcEndpointAwsService.EVENTBRIDGE,
    States: InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
    Sts: InterfaceVpcEndpointAwsService.STS,
    ...(lambda && { Lambda: InterfaceVpcEndpointAwsService.LAMBDA }),
    ...(bundleSigningKey && { Kms: InterfaceVpcEndpointAwsService.KMS }),
    ...(ecr && { EcrApi: InterfaceVpcEndpointAwsService.ECR, EcrDkr: InterfaceVpcEndpointAwsService.ECR_DOCKER }),
  };
  const description = 'Endpoints of Harness CI Image Factory';
  const group = new SecurityGroup(scope, 'EndpointSecurityGroup', { vpc, description, allowAllOutbound: false });
  // CDK admits the VPC's first range of addresses, for everything else that uses these names. The functions may have
  // others.
  for (const functions of securityGroups) group.addIngressRule(functions, Port.tcp(443));
  for (const [name, service] of Object.entries(services))
    new InterfaceVpcEndpoint(scope, `${name}Endpoint`, { vpc, service, subnets, securityGroups: [group] });
}

/** Returns true if a registry `host[:port][/prefix]` is, or at deployment may be, ECR in this region. */
function isEcrOf(region: string, name: string): boolean {
  if (Token.isUnresolved(name)) return name.includes('.dkr.ecr.');
  const registry = parseEcrHost(withoutScheme(name).replace(/\/.*$/, ''));
  return registry !== undefined && (registry.region === region || Token.isUnresolved(region));
}

/**
 * Lets Lambda, with the role of a function, connect it to the VPC; not the function itself. In place of the managed
 * policy AWSLambdaVPCAccessExecutionRole, which lets every function of the role change any interface.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
 */
export function allowNetworkInterfaces(role: Role): void {
  const { partition, region, account } = Stack.of(role);
  // Present in what the function calls, absent when Lambda itself does.
  const conditions = { Null: { 'lambda:SourceFunctionArn': 'true' } };
  const interfaces = `arn:${partition}:ec2:${region}:${account}:*/*`;
  // Of a VPC that another account shares, the subnets are that account's.
  const subnets = `arn:${partition}:ec2:${region}:*:subnet/*`;
  const actions = [
    'CreateNetworkInterface',
    'DeleteNetworkInterface',
    'AssignPrivateIpAddresses',
    'UnassignPrivateIpAddresses',
  ];
  role.addToPolicy(
    new PolicyStatement({ actions: actions.map((action) => `ec2:${action}`), resources: [interfaces], conditions }),
  );
  role.addToPolicy(new PolicyStatement({ actions: ['ec2:CreateNetworkInterface'], resources: [subnets], conditions }));
  for (const resource of [interfaces, subnets])
    acceptWildcard(role, resource, 'Lambda wants it so: the interfaces have no names beforehand.');
  const looks = ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'];
  role.addToPolicy(new PolicyStatement({ actions: looks, resources: ['*'], conditions }));
}

/** Variables that lead every connection of a function through the proxy, and make it trust the CAs. */
export function connectionEnvironment(scope: Construct, props: HarnessCiImageFactoryProps): Record<string, string> {
  const { region, urlSuffix } = Stack.of(scope);
  const { proxy, extraCaCerts, createVpcEndpoints } = props;
  const bypass = [...(proxy?.bypass ?? []), ...(createVpcEndpoints ? [`.${region}.${urlSuffix}`] : [])];
  return {
    ...(proxy && { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url }),
    ...(proxy && bypass.length > 0 && { NO_PROXY: bypass.join(',') }),
    ...(extraCaCerts !== undefined && { NODE_EXTRA_CA_CERTS: extraCaCerts }),
  };
}
