import { SFNClient } from '@aws-sdk/client-sfn';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Execution, Executions } from '../../functions/aws/executions.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { finalStates } from '../../functions/webhook/stop-run.ts';
import { Tokens } from '../../functions/webhook/tokens.ts';
import { answer } from '../../functions/webhook/webhook.ts';
import type { WebhookParts } from '../../functions/webhook/webhook-parts.ts';
import { readWorkflowDefinition } from '../../infra/workflow-definition.ts';
import { startScriptedAws } from '../aws/scripted-aws.ts';
import { type CapturedLog, captureLog } from '../telemetry/log-lines.ts';
import { request, token } from './request.ts';

const arn = 'arn:aws:sts::123456789012:assumed-role/delegate/pipeline';
const settings = { HARNESS_API_KEY_SECRET: 'key', REGISTRY_NAME: 'registry.example' };

let run: Execution;
let state: string;
let reasons: { error: string; cause: string }[];
let log: CapturedLog;
/** The status that the run gets by itself before a stop reaches it. */
let endsFirst: Execution['status'] | undefined;

beforeEach(() => {
  run = { status: 'RUNNING', startedAt: new Date(0), input: '{}' };
  state = 'Copy';
  reasons = [];
  endsFirst = undefined;
  log = captureLog();
});
afterEach(() => {
  log.release();
});

const executions: WebhookParts['executions'] = {
  start: async () => true,
  find: async (name) => (name === 'run-1' ? { ...run } : undefined),
  stateOf: async () => state,
  stop: async (_, reason) => {
    reasons.push(reason);
    run = { ...run, status: endsFirst ?? 'ABORTED', endedAt: new Date(1_000), ...(endsFirst ? {} : reason) };
  },
};

async function stop({ id = 'run-1', allow = 'stop', by = 'iam' } = {}) {
  const configuration = parseConfiguration({ ...settings, WEBHOOK_ALLOW: allow });
  const tokens = by === 'iam' ? undefined : new Tokens(async () => token);
  const sent = request({ path: `/runs/${id}/stop` });
  if (by === 'iam') Object.assign(sent.requestContext, { authorizer: { iam: { userArn: arn } } });
  const { statusCode, body } = await answer(sent, {
    configuration,
    tokens,
    executions,
    findReport: async () => undefined,
  });
  return { status: statusCode, body: JSON.parse(body) as { error?: { message: string } } };
}

describe('a request to stop a run', () => {
  it('stops it, records who requested that, and returns the URL of its status', async () => {
    expect(await stop()).toMatchObject({
      status: 202,
      body: {
        runId: 'run-1',
        status: 'FAILED',
        harness: 'restoring',
        url: 'https://abc.lambda-url.eu-west-1.on.aws/runs/run-1',
      },
    });
    expect(reasons).toEqual([{ error: 'RunStopped', cause: `${arn} stopped the run through the webhook` }]);
    expect(log.lines).toMatchObject([{ message: 'run stopped', runId: 'run-1', caller: arn }]);
  });

  it('records the holder of a token, who has no name', async () => {
    expect((await stop({ by: 'token' })).status).toBe(202);
    expect(reasons.map(({ cause }) => cause)).toEqual(['the holder of a token stopped the run through the webhook']);
  });

  it('has the same response when it is repeated, and stops nothing twice', async () => {
    const first = await stop();
    expect(await stop()).toEqual(first);
    expect(reasons).toHaveLength(1);
  });

  it.each(['', 'prune,pins'])('refuses to stop a run where WEBHOOK_ALLOW does not grant it: %j', async (allow) => {
    const { status, body } = await stop({ allow });
    expect({ status, body }).toMatchObject({ status: 403, body: { error: { name: 'Forbidden' } } });
    expect(body.error?.message).toContain('WEBHOOK_ALLOW can grant "stop"');
    expect(reasons).toEqual([]);
  });

  it('gets 404 for a run that never was', async () => {
    expect((await stop({ id: 'run-2' })).status).toBe(404);
    expect((await stop({ id: 'a%2Fb' })).status).toBe(404);
  });

  it.each(['SUCCEEDED', 'FAILED', 'TIMED_OUT'] as const)('gets 409 for a run that has ended: %s', async (status) => {
    run.status = status;
    expect(await stop()).toMatchObject({
      status: 409,
      body: { error: { name: 'Conflict', message: `the run cannot be stopped: it has ended: ${status}` } },
    });
    expect(reasons).toEqual([]);
  });

  it('gets 409 when the run ends by itself a moment before', async () => {
    endsFirst = 'SUCCEEDED';
    expect((await stop()).status).toBe(409);
  });

  it.each([...finalStates])('gets 409 while the run is in the state %s: %s', async (name, reason) => {
    state = name;
    expect(await stop()).toMatchObject({ status: 409, body: { error: { message: expect.stringContaining(reason) } } });
    expect(reasons).toEqual([]);
  });

  it('gets 409 for the execution that puts another run back, because nothing would do that after it', async () => {
    run.input = '{"recover_run":"run-0"}';
    expect((await stop()).status).toBe(409);
    expect(reasons).toEqual([]);
  });

  it.each(['"sync"', 'null', '7', '[]'])('stops a run with the wrong input %s, too', async (input) => {
    run.input = input;
    expect((await stop()).status).toBe(202);
  });
});

it('knows the states of the workflow after which nothing must cut in', () => {
  const { States: states } = JSON.parse(readWorkflowDefinition()) as { States: Record<string, { Type: string }> };
  for (const name of finalStates.keys()) expect(states[name]).toMatchObject({ Type: 'Task' });
});

describe('the history of an execution', () => {
  const machine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:factory';
  const entered = (name: string) => ({
    id: 1,
    type: 'TaskStateEntered',
    timestamp: 0,
    stateEnteredEventDetails: { name },
  });
  const retried = { id: 2, type: 'TaskFailed', timestamp: 0, taskFailedEventDetails: {} };

  /** Answers with one page after the other. */
  async function stateAmong(...pages: object[][]) {
    let page = 0;
    const aws = await startScriptedAws(() => {
      const events = pages[page++] ?? [];
      return { status: 200, body: { events, ...(page < pages.length && { nextToken: `page-${page}` }) } };
    });
    const client = new SFNClient(aws.config);
    try {
      return { name: await new Executions(machine, client).stateOf('run-1'), calls: aws.calls };
    } finally {
      client.destroy();
      await aws.close();
    }
  }

  it('finds the state that an execution entered last, beyond any number of retries', async () => {
    const { name, calls } = await stateAmong(
      [retried, retried],
      [retried, entered('Rollback'), entered('VerifySwitch')],
      [],
    );
    expect(name).toBe('Rollback');
    expect(calls.map(({ input }) => input)).toEqual([
      {
        executionArn: 'arn:aws:states:eu-west-1:123456789012:execution:factory:run-1',
        reverseOrder: true,
        includeExecutionData: false,
      },
      expect.objectContaining({ nextToken: 'page-1' }),
    ]);
  });

  it('finds no state before the first', async () => {
    expect((await stateAmong([])).name).toBeUndefined();
  });
});
