import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { account, type MotoServer, region, startMotoServer } from '../aws/moto-server.ts';
import { type Deployment, deploy } from './deployment.ts';
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
      settings: { REGISTRY_NAME: `${host}/mirror`, WEBHOOK: 'off', ECR_TOKEN_SECRET: 'account.ecr' },
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
