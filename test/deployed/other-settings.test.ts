import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { account, type MotoServer, region, startMotoServer } from '../aws/moto-server.ts';
import { type Deployment, deploy } from './deployment.ts';
import { askFunctionUrl } from './function-url.ts';
import { PageCommands } from './page-commands.ts';

const host = `${account}.dkr.ecr.${region}.amazonaws.com`;

let moto: MotoServer;
let factory: Deployment;
let lambda: LambdaClient;

beforeAll(async () => {
  // LocalStack has no ECR.
  moto = await startMotoServer();
  factory = await deploy(
    { addonTag: 'harness/ci-addon:1.18.22' },
    {
      settings: { REGISTRY_NAME: `${host}/mirror`, WEBHOOK: 'iam', ECR_TOKEN_SECRET: 'account.ecr' },
      environment: { AWS_ENDPOINT_URL_ECR: moto.config.endpoint },
    },
  );
  lambda = new LambdaClient(factory.aws.config);
  factory.harness.state[factory.harness.accountId]?.secrets.push({
    type: 'SecretText',
    name: 'ECR password',
    identifier: 'ecr',
    spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'old' },
  });
}, 600_000);
afterAll(async () => {
  lambda?.destroy();
  await factory?.close();
  await moto?.close();
});

const stored = () => factory.harness.state[factory.harness.accountId]?.secrets[0]?.spec;

describe('the function that refreshes the ECR password', () => {
  it('stores a new password when it is invoked by the name in the output', async () => {
    const FunctionName = factory.outputs.EcrTokenFunctionName;
    const { Payload, FunctionError } = await lambda.send(new InvokeCommand({ FunctionName }));
    expect(FunctionError).toBeUndefined();
    expect(JSON.parse(Buffer.from(Payload ?? []).toString())).toMatchObject({ registry: host, secret: 'account.ecr' });
    expect(stored()?.value).toBe(`${account}-auth-token`);
  }, 120_000);

  it('stores a new password by the commands of the runbook', async () => {
    Object.assign(stored() ?? {}, { value: 'old' });
    const folder = mkdtempSync(join(tmpdir(), 'runbook-'));
    const output = await new PageCommands('runbook.md', factory.aws, folder).run('EcrTokenFailed');
    rmSync(folder, { recursive: true });
    expect(output).toMatch(/"secret": ?"account\.ecr"/);
    expect(stored()?.value).toBe(`${account}-auth-token`);
  }, 120_000);
});

describe('the webhook with WEBHOOK=iam', () => {
  /** Sends a request as docs/triggers.md does, signed by curl. Returns its status and body. */
  async function curl(path: string, body: object | undefined, { secretAccessKey = 'test' } = {}) {
    const url = new URL(path, factory.outputs.WebhookUrl);
    const connection = ['--silent', '--noproxy', '*', '--resolve', `${url.hostname}:${url.port}:127.0.0.1`];
    const signature = ['--aws-sigv4', `aws:amz:${region}:lambda`, '--user', `delegate:${secretAccessKey}`];
    const token = ['--header', 'x-amz-security-token: session', '--write-out', '\n%{http_code}'];
    const json = body ? ['--header', 'content-type: application/json', '--data', JSON.stringify(body)] : [];
    const options = [...connection, ...signature, ...token, ...json];
    const { stdout } = await promisify(execFile)('curl', [...options, url.href]);
    const [status, ...text] = stdout.split('\n').toReversed();
    return { status: Number(status), body: JSON.parse(text.toReversed().join('\n')) as Record<string, unknown> };
  }

  it('starts a run for a request that curl signs, and reports who started it', async () => {
    const arn = 'arn:aws:iam::000000000000:user/delegate';
    // Nothing matches, so the run ends before it needs the registry.
    const started = await curl('/runs', { include_fields: ['none'] });
    expect(started).toMatchObject({ status: 202, body: { status: 'RUNNING' } });
    const runId = String(started.body['runId']);
    await factory.ended(`${factory.outputs.StateMachineArn.replace(':stateMachine:', ':execution:')}:${runId}`);
    expect(await factory.report(runId)).toMatchObject({ startedBy: arn, error: { name: 'InvalidInput' } });
    expect(await curl(`/runs/${runId}`, undefined)).toMatchObject({
      status: 200,
      body: { runId, status: 'FAILED', startedBy: arn },
    });
    expect(await curl(`/runs/${runId}/stop`, {})).toMatchObject({
      status: 409,
      body: { error: { message: expect.stringContaining('it has ended: FAILED') } },
    });
  }, 120_000);

  it('refuses a request without a signature, or with a wrong one', async () => {
    expect(await askFunctionUrl(factory.outputs.WebhookUrl, { body: {} })).toMatchObject({ status: 403 });
    expect(await curl('/runs', {}, { secretAccessKey: 'wrong' })).toMatchObject({ status: 403 });
  }, 120_000);
});
