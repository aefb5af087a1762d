import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { writeChecksums } from '../../infra/release/checksums.ts';
import { writeTemplates } from '../../infra/release/templates.ts';
import { imageStatuses } from '../tasks/factory.ts';
import { PageCommands } from './page-commands.ts';
import { startSurroundings, type Surroundings } from './surroundings.ts';

const image = 'harness/ci-addon:1.18.22';
const BUCKET = 'assets-us-east-1';
const heading = 'Without CDK';

let world: Surroundings;
let page: PageCommands;
let cloudFormation: CloudFormationClient;
let s3: S3Client;
let sfn: SFNClient;

beforeAll(async () => {
  world = await startSurroundings({ addonTag: image });
  const { aws, harness } = world;
  const release = join(world.folder, 'release');
  mkdirSync(release);
  writeTemplates(release);
  writeChecksums(release);
  page = new PageCommands('deployment.md', aws, release);
  cloudFormation = new CloudFormationClient(aws.config);
  sfn = new SFNClient(aws.config);
  s3 = new S3Client(aws.config);
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const secrets = new SecretsManagerClient(aws.config);
  const Name = 'harness-ci-image-factory/api-key';
  await secrets.send(new CreateSecretCommand({ Name, SecretString: harness.apiKey }));
  secrets.destroy();
}, 600_000);
afterAll(async () => {
  for (const client of [cloudFormation, s3, sfn]) client?.destroy();
  await world?.close();
});

async function outputsOf(StackName: string): Promise<Record<string, string>> {
  const { Stacks: [stack] = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
  expect(stack?.StackStatus).toMatch(/^(?:CREATE|UPDATE)_COMPLETE$/);
  return Object.fromEntries(
    (stack?.Outputs ?? []).map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
  );
}

/** Runs the workflow of a stack to its end. */
async function run(stateMachineArn: string, input: object) {
  const command = { stateMachineArn, input: JSON.stringify(input) };
  const { executionArn } = await sfn.send(new StartExecutionCommand(command));
  for (;;) {
    const execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (execution.status !== 'RUNNING') return execution;
    await sleep(200);
  }
}

describe('the templates of a release, deployed by the commands of the page', () => {
  it('come from a bucket', async () => {
    await page.run(heading, 0, { BUCKET, VERSION: '1.2.3' });
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    const keys = Contents.map(({ Key }) => Key);
    expect(keys).toContainEqual(expect.stringMatching(/^harness-ci-image-factory\/plan-[0-9a-f]{16}\.zip$/));
    expect(keys).toContain('harness-ci-image-factory/1.2.3/factory.template.json');
  }, 120_000);

  it('make two stacks side by side', async () => {
    expect(await page.run(heading, 1, { BUCKET })).toContain('StateMachineArn');
    await page.run(heading, 2, { BUCKET, REGISTRY: world.registry });
    const [one, other] = [await outputsOf('image-factory'), await outputsOf('images-of-team-b')];
    expect(one['StateMachineArn']).toMatch(/:image-factory$/);
    expect(other['StateMachineArn']).toMatch(/:images-of-team-b$/);
    expect(one['StateBucketName']).not.toBe(other['StateBucketName']);
  }, 600_000);

  it('give the runs a parameter that is changed later', async () => {
    await page.run(heading, 3, { BUCKET, HARNESS_URL: world.harness.url });
    const { StateMachineArn = '' } = await outputsOf('images-of-team-b');
    const { status, output } = await run(StateMachineArn, {
      source_registry: world.source.host,
    });
    expect(status).toBe('SUCCEEDED');
    expect(imageStatuses(JSON.parse(output ?? '') as Report)).toEqual({
      [image]: 'copied',
    });
    expect(world.overrides()).toEqual({
      addonTag: `${world.registry}/${image}`,
    });
  }, 600_000);
});
