import { CreateStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { account, type MotoServer, region, startMotoServer } from '../aws/moto-server.ts';
import { available } from '../real-parts.ts';
import { request, token } from './request.ts';

(available('moto_server') ? describe : describe.skip)('the handler of the webhook', () => {
  const environment = { ...process.env };
  let moto: MotoServer;
  let secrets: SecretsManagerClient;
  let handler: typeof import('../../functions/webhook/handler.ts').handler;

  beforeAll(async () => {
    moto = await startMotoServer();
    secrets = new SecretsManagerClient(moto.config);
    await secrets.send(new CreateSecretCommand({ Name: 'token', SecretString: '{}' }));
    const sfn = new SFNClient(moto.config);
    const { stateMachineArn } = await sfn.send(
      new CreateStateMachineCommand({
        name: 'factory',
        definition: '{"StartAt":"End","States":{"End":{"Type":"Succeed"}}}',
        roleArn: `arn:aws:iam::${account}:role/workflow`,
      }),
    );
    sfn.destroy();
    // As Lambda sets it, and the construct.
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: moto.config.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      HARNESS_API_KEY_SECRET: 'key',
      REGISTRY_NAME: 'registry.example',
      POWERTOOLS_SERVICE_NAME: 'factory',
      WEBHOOK_TOKEN_SECRET: 'token',
      STATE_MACHINE_ARN: stateMachineArn,
    });
    ({ handler } = await import('../../functions/webhook/handler.ts'));
  }, 60_000);
  afterAll(async () => {
    process.env = environment;
    secrets?.destroy();
    await moto?.close();
  });

  it('answers 500 while its secret is of no use, logs why, and serves once it is', async () => {
    const error = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);
    const { statusCode, body } = await handler(request());
    expect(statusCode).toBe(500);
    expect(JSON.parse(body)).toEqual({
      error: { name: 'InternalError', message: 'the webhook failed; see its log' },
    });
    expect(JSON.parse(String(error.mock.calls[0]?.[0]))).toMatchObject({
      level: 'ERROR',
      task: 'webhook',
      message: 'failed',
      error: { name: 'InvalidConfiguration', hint: expect.any(String) },
    });

    await secrets.send(
      new PutSecretValueCommand({ SecretId: 'token', SecretString: JSON.stringify({ current: token }) }),
    );
    const started = await handler(request());
    expect(started.statusCode).toBe(202);
    const { runId } = JSON.parse(started.body) as { runId: string };
    const asked = await handler(request({ method: 'GET', path: `/runs/${runId}` }));
    expect(JSON.parse(asked.body)).toMatchObject({ runId, status: 'RUNNING' });
    expect(error).toHaveBeenCalledTimes(1);
    expect(JSON.parse(String(log.mock.calls[0]?.[0]))).toMatchObject({
      level: 'INFO',
      service: 'factory',
      task: 'webhook',
      message: 'run started',
      runId,
    });
    expect(JSON.stringify([error.mock.calls, log.mock.calls])).not.toContain(token);
    jest.restoreAllMocks();
  });
});
