import { CreateStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { account, type MotoServer, region } from '../aws/moto-server.ts';
import { shareMotoServer } from '../aws/shared-moto-server.ts';
import { setEnvironment } from '../process-environment.ts';
import { available } from '../real-parts.ts';
import { logLines } from '../telemetry/log-lines.ts';
import { request, type RequestOptions, token } from './request.ts';

(available('moto_server') ? describe : describe.skip)('the handler of the webhook', () => {
  const environment = { ...process.env };
  let moto: MotoServer;
  let secrets: SecretsManagerClient;
  let handler: typeof import('../../functions/webhook/handler.ts').handler;

  beforeAll(async () => {
    moto = await shareMotoServer();
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
      TASK: 'webhook',
      WEBHOOK_TOKEN_SECRET: 'token',
      STATE_MACHINE_ARN: stateMachineArn,
      STATE_BUCKET: 'state',
    });
    ({ handler } = await import('../../functions/webhook/handler.ts'));
  }, 60_000);
  afterAll(async () => {
    setEnvironment(environment);
    secrets?.destroy();
    await moto?.close();
  });

  it('names the variable that a deployment by hand lacks', async () => {
    delete process.env['STATE_BUCKET'];
    const context = { getRemainingTimeInMillis: () => 20_000 };
    const lines = await logLines(async () => expect((await handler(request(), context)).statusCode).toBe(500));
    process.env['STATE_BUCKET'] = 'state';
    expect(lines).toMatchObject([
      { error: { name: 'InvalidConfiguration', message: 'STATE_BUCKET is not set', hint: expect.any(String) } },
    ]);
  });

  it('answers 500 while its secret is of no use, logs why, and serves once it is', async () => {
    const send = async (options?: RequestOptions, awsRequestId = 'request-1') => {
      const context = { functionName: 'factory-webhook', awsRequestId, getRemainingTimeInMillis: () => 20_000 };
      const { statusCode, body } = await handler(request(options), context);
      return { statusCode, body: JSON.parse(body) as { runId: string } };
    };
    const common = { task: 'webhook', function_name: 'factory-webhook' };

    const failed = await logLines(async () => {
      expect(await send()).toEqual({
        statusCode: 500,
        body: { error: { name: 'InternalError', message: 'the webhook failed; see its log' } },
      });
    });
    expect(failed).toMatchObject([
      {
        ...common,
        level: 'ERROR',
        message: 'failed',
        function_request_id: 'request-1',
        error: { name: 'InvalidConfiguration', hint: expect.any(String) },
      },
    ]);

    await secrets.send(
      new PutSecretValueCommand({ SecretId: 'token', SecretString: JSON.stringify({ current: token }) }),
    );
    let runId = '';
    const served = await logLines(async () => {
      const started = await send({}, 'request-2');
      expect(started.statusCode).toBe(202);
      ({ runId } = started.body);
      const status = await send({ method: 'GET', path: `/runs/${runId}` });
      expect(status.body).toMatchObject({ runId, status: 'RUNNING' });
    });
    expect(served).toMatchObject([
      { ...common, level: 'INFO', message: 'run started', function_request_id: 'request-2', runId },
    ]);
    expect(JSON.stringify([failed, served])).not.toContain(token);
  });
});
