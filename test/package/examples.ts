import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { satisfies, subset } from 'semver';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { manifest } from '../../infra/package/manifest.ts';
import { root } from '../../infra/package/root.ts';
import { needed } from '../docs/role-policy.ts';
import { synthesize, type Templates } from './apps.ts';
import { node, write } from './project.ts';

const folder = join(root, 'docs/examples');
const names = readdirSync(folder).toSorted();

const actions = z.union([z.string(), z.array(z.string())]).transform((given) => [given].flat());
const statements = z.object({
  PolicyDocument: z.object({ Statement: z.array(z.object({ Action: actions, Resource: z.unknown() })) }),
});
const functionProperties = z.object({
  Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
  VpcConfig: z.object({ SubnetIds: z.array(z.string()) }).optional(),
  Layers: z.array(z.unknown()).optional(),
});
const projectManifest = z.object({
  engines: z.object({ node: z.string() }),
  dependencies: z.record(z.string(), z.string()),
});

/** Tests the examples as projects of their own, which find the packages of `project`. */
export function testExamples(project: () => string): void {
  beforeAll(() => {
    const installed = join(project(), 'node_modules/harness-ci-image-factory/docs/examples');
    cpSync(installed, join(project(), 'examples'), { recursive: true });
    // The files that the page of examples tells the user to add.
    write(join(project(), 'examples/vpc-proxy/certificates'), {
      'ca.pem': 'a certificate',
      'certs.d/registry.internal.example/ca.crt': 'a certificate',
    });
  });

  const templatesOf = (name: string) => synthesize(join(project(), 'examples', name));

  it('has the examples that the page lists', () => {
    const page = readFileSync(join(root, 'docs/examples.md'), 'utf8');
    const listed = [...page.matchAll(/\]\(examples\/([^)/]+)\/app\.ts\)/g)].map(([, name = '']) => name);
    expect(listed.toSorted()).toEqual(names);
  });

  it.each(names)('the example %s takes this version, and a CDK that it may have', (name) => {
    const { engines, dependencies } = projectManifest.parse(
      JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')),
    );
    const { 'harness-ci-image-factory': own = '', ...peers } = dependencies;
    expect(satisfies(packageJson.version, own)).toBe(true);
    expect(subset(engines.node, manifest().engines.node)).toBe(true);
    for (const [peer, range] of Object.entries(manifest().peerDependencies))
      expect(subset(peers[peer] ?? '*', range)).toBe(true);
  });

  it('compiles every example with strict types', async () => {
    const tsc = join(project(), 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--types', 'node'];
    const apps = names.map((name) => `examples/${name}/app.ts`);
    await node(tsc, [...options, '--skipLibCheck', ...apps], { cwd: project() });
  });

  it('the example of ECR may push below its prefix only', async () => {
    const { HarnessImages } = await templatesOf('ecr');
    const pushes = statementsOf(HarnessImages).filter(({ Action }) => Action.includes('ecr:PutImage'));
    expect(pushes).toHaveLength(1);
    expect(JSON.stringify(pushes[0]?.Resource)).toMatch(/:repository\/harness-ci\/\*/);
    const [schedule] = resources(HarnessImages, 'AWS::Scheduler::Schedule');
    expect(schedule).toMatchObject({
      ScheduleExpression: 'cron(30 4 ? * MON-FRI *)',
      ScheduleExpressionTimezone: 'Europe/Berlin',
      Target: { Input: expect.stringContaining('"soak_days":7') },
    });
  });

  it('the example of ECR in another account gives its role what the functions do there, to them alone', async () => {
    const { HarnessImages, HarnessImagesRegistry } = await templatesOf('ecr-other-account');
    const allowed = statementsOf(HarnessImagesRegistry).map(({ Action }) => Action);
    expect(allowed).toEqual([
      needed('ecr').filter((action) => action !== 'ecr:BatchDeleteImage'),
      needed('ecrRegistry'),
    ]);
    expect(resources(HarnessImagesRegistry, 'AWS::IAM::Role')).toMatchObject([
      {
        RoleName: 'harness-ci-image-factory',
        AssumeRolePolicyDocument: {
          Statement: [
            {
              Principal: { AWS: expect.objectContaining({ 'Fn::Join': expect.anything() }) },
              Condition: { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::111111111111:role/HarnessImages-*' } },
            },
          ],
        },
      },
    ]);
    const used = statementsOf(HarnessImages).filter(({ Action }) => Action.includes('sts:AssumeRole'));
    expect(used.length).toBeGreaterThan(0);
    for (const { Resource } of used) expect(Resource).toBe('arn:aws:iam::222222222222:role/harness-ci-image-factory');
    for (const { Environment } of functionsOf(HarnessImages))
      expect(Environment.Variables).toMatchObject({
        REGISTRY_NAME: '222222222222.dkr.ecr.us-east-1.amazonaws.com/harness-ci',
      });
  });

  it('the example of a VPC puts every function into it, behind the proxy, with the certificates', async () => {
    const { HarnessImages } = await templatesOf('vpc-proxy');
    for (const { Environment, VpcConfig, Layers } of functionsOf(HarnessImages)) {
      expect(VpcConfig?.SubnetIds).toEqual(['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1']);
      expect(Layers).toHaveLength(1);
      expect(Environment.Variables).toMatchObject({
        HTTPS_PROXY: 'http://proxy.internal.example:3128',
        REGISTRY_CERTS: '/opt/certs.d',
        REGISTRY_NAME: 'registry.internal.example/harness',
      });
      expect(JSON.stringify(Environment.Variables['NO_PROXY'])).toContain('registry.internal.example');
    }
    expect(resources(HarnessImages, 'AWS::EC2::VPCEndpoint').length).toBeGreaterThan(1);
  });

  it('the example of several accounts shares a topic, and neither key, prefix nor state', async () => {
    const { HarnessImages } = await templatesOf('several-accounts');
    expect(resources(HarnessImages, 'AWS::SNS::Topic')).toHaveLength(1);
    const buckets = resources(HarnessImages, 'AWS::S3::Bucket');
    const machines = resources(HarnessImages, 'AWS::StepFunctions::StateMachine');
    expect([buckets.length, machines.length]).toEqual([3, 3]);
    const variables = functionsOf(HarnessImages).map(({ Environment }) => Environment.Variables);
    const distinct = (variable: string) => new Set(variables.map((all) => JSON.stringify(all[variable]))).size;
    for (const variable of ['HARNESS_API_KEY_SECRET', 'REGISTRY_NAME', 'STATE_BUCKET', 'POWERTOOLS_SERVICE_NAME'])
      expect([variable, distinct(variable)]).toEqual([variable, 3]);
  });
}

function resources(template: Templates[string] | undefined, type: string): Record<string, unknown>[] {
  return Object.values(template?.Resources ?? {})
    .filter(({ Type }) => Type === type)
    .map(({ Properties = {} }) => Properties);
}

function statementsOf(template: Templates[string] | undefined) {
  return resources(template, 'AWS::IAM::Policy').flatMap(
    (properties) => statements.parse(properties).PolicyDocument.Statement,
  );
}

/** Returns the functions of the factories. Others, such as those of CDK itself, have no state. */
function functionsOf(template: Templates[string] | undefined) {
  const found = resources(template, 'AWS::Lambda::Function')
    .map((properties) => functionProperties.safeParse(properties).data)
    .filter((properties) => properties !== undefined)
    .filter(({ Environment }) => 'STATE_BUCKET' in Environment.Variables);
  expect(found.length).toBeGreaterThan(10);
  return found;
}
