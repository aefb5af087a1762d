import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { answer } from '../../functions/webhook/webhook.ts';
import type { WebhookRequest } from '../../functions/webhook/function-url.ts';
import { type CapturedLog, captureLog } from '../telemetry/log-lines.ts';
import { request } from './request.ts';

const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: 'key', REGISTRY_NAME: 'registry.example' });
const userArn = 'arn:aws:sts::123456789012:assumed-role/delegate/pipeline';

let inputs: string[];
let log: CapturedLog;
beforeEach(() => {
  inputs = [];
  log = captureLog();
});
afterEach(() => {
  log.release();
});

/** Sends a request to a webhook of `WEBHOOK=iam`. */
async function send(body: object, authorizer?: object) {
  const sent: WebhookRequest = request({ body: JSON.stringify(body) });
  if (authorizer) Object.assign(sent.requestContext, { authorizer });
  const {
    statusCode,
    headers,
    body: text,
  } = await answer(sent, {
    configuration,
    tokens: undefined,
    executions: {
      start: async (_, input) => {
        inputs.push(input);
        return true;
      },
      find: async () => undefined,
      stateOf: async () => undefined,
      stop: async () => undefined,
    },
    findReport: async () => undefined,
  });
  return { status: statusCode, headers, body: JSON.parse(text) as { error?: { problems: { path: string }[] } } };
}

describe('a caller whose signature Lambda has verified', () => {
  it('starts a run whose input has its ARN', async () => {
    expect((await send({ action: 'plan' }, { iam: { userArn } })).status).toBe(202);
    expect(inputs).toEqual([JSON.stringify({ action: 'plan', started_by: userArn })]);
    expect(log.lines).toMatchObject([{ message: 'run started', caller: userArn }]);
  });

  it('cannot give another name', async () => {
    const { status, body } = await send({ started_by: 'somebody else' }, { iam: { userArn } });
    expect(status).toBe(400);
    expect(body.error?.problems.map(({ path }) => path)).toEqual(['$.started_by']);
    expect(inputs).toEqual([]);
  });

  it('gets 400 for input beyond what the deployment trusts, like the holder of a token', async () => {
    expect((await send({ prune: true }, { iam: { userArn } })).status).toBe(400);
  });

  it.each([[undefined], [{}], [{ iam: {} }], [{ iam: { userArn: '' } }]])(
    'gets 401 without an identity, whatever token it has: %j',
    async (authorizer) => {
      const { status, headers } = await send({}, authorizer);
      expect(status).toBe(401);
      expect(headers).not.toHaveProperty('www-authenticate');
      expect(inputs).toEqual([]);
    },
  );
});
