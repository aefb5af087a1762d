import { createServer, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { AwsTemplate } from '../../functions/aws/template.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';
import { listenLocally } from '../http/local-server.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'test' };
const refusal = (name: string): Answer => ({ status: 400, body: { __type: name, message: 'no' } });

describe('a state machine as template', () => {
  const arn = 'arn:aws:states:eu-central-1:123456789012:stateMachine:scan';
  const scripted = async (answer: (operation: string, input: Record<string, unknown>) => Answer) => {
    const aws = await startScriptedAws((operation, input) => answer(operation, input as Record<string, unknown>));
    closing.push(() => aws.close());
    return { calls: aws.calls, template: new AwsTemplate(arn, aws.config) };
  };
  const description = (more: object): Answer => ({ status: 200, body: { startDate: 1_700_000_000, ...more } });
  const started: Answer = { status: 200, body: { executionArn: 'x', startDate: 1_700_000_000 } };

  it('starts a state machine once per name, with the input, and returns its output', async () => {
    let execution: Record<string, unknown> | undefined;
    const { calls, template } = await scripted((operation, input) => {
      if (operation === 'StartExecution') execution = { status: 'RUNNING', input: input['input'] };
      if (operation === 'StartExecution') return started;
      return execution ? description(execution) : refusal('ExecutionDoesNotExist');
    });
    const name = 'run-1-build-harness/ci-addon:1.18.22';
    expect(await template.call(name, { image: 'a' })).toEqual({ running: true });
    expect(await template.call(name, { image: 'a' })).toEqual({ running: true });
    execution = { status: 'SUCCEEDED', output: '{"digest":"sha256:1"}' };
    expect(await template.call(name, { image: 'a' })).toEqual({ output: { digest: 'sha256:1' } });
    const starts = calls.filter(({ operation }) => operation === 'StartExecution').map(({ input }) => input);
    expect(starts).toEqual([
      {
        stateMachineArn: arn,
        input: '{"image":"a"}',
        name: expect.stringMatching(/^run-1-build-harness-ci-addon-1-18-22-[0-9a-f]{24}$/),
      },
    ]);
  });

  it('keeps long execution names distinct within 80 characters', async () => {
    const { calls, template } = await scripted((operation) =>
      operation === 'StartExecution' ? started : refusal('ExecutionDoesNotExist'),
    );
    const long = 'x'.repeat(100);
    await template.call(`${long}1`, {});
    await template.call(`${long}2`, {});
    const names = calls.flatMap(({ input }) => (input as { name?: string }).name ?? []);
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name).toMatch(/^[\w-]{1,80}$/);
  });

  it.each(['FAILED', 'TIMED_OUT', 'ABORTED'])(
    'reports error and cause of an execution that ends as %s',
    async (status) => {
      const { template } = await scripted(() => description({ status, error: 'Build.Broken', cause: 'no space left' }));
      await expect(template.call('x', {})).rejects.toMatchObject({
        name: 'TemplateFailed',
        message: expect.stringMatching(new RegExp(`${status}: Build.Broken: no space left`)),
      });
    },
  );

  it.each([
    ['ThrottlingException', 400],
    ['InternalFailure', 500],
    ['ServiceUnavailable', 503],
  ])('counts as running when Step Functions returns %s', async (name, status) => {
    const { template } = await scripted(() => ({ ...refusal(name), status }));
    expect(await template.call('x', {})).toEqual({ running: true });
  });

  it('fails at once when Step Functions denies access', async () => {
    const { template } = await scripted(() => refusal('AccessDeniedException'));
    await expect(template.call('x', {})).rejects.toMatchObject({ name: 'TemplateFailed' });
  });
});

describe('a function as template', () => {
  const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:scan:live';

  const serving = async (answer: { status: number; body: string; headers?: Record<string, string> }) => {
    const seen: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
    const server = createServer(async (request, response) => {
      seen.push({ path: request.url ?? '', headers: request.headers, body: await text(request) });
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    const { url: endpoint, close } = await listenLocally(server);
    closing.push(close);
    return { seen, template: new AwsTemplate(arn, { endpoint, credentials }) };
  };

  it('invokes a function by its whole ARN, signed for its region', async () => {
    const { seen, template } = await serving({ status: 200, body: '{"images":[]}' });
    expect(await template.call('x', { failOn: 'HIGH' })).toEqual({ output: { images: [] } });
    expect(seen).toMatchObject([
      {
        path: `/2015-03-31/functions/${encodeURIComponent(arn)}/invocations`,
        headers: {
          authorization: expect.stringMatching(
            /^AWS4-HMAC-SHA256 Credential=AKIDTEST\/\d{8}\/eu-central-1\/lambda\/aws4_request, /,
          ),
        },
        body: '{"failOn":"HIGH"}',
      },
    ]);
  });

  it('reports the error of a function that fails', async () => {
    const body = '{"errorType":"Error","errorMessage":"scanner down"}';
    const { template } = await serving({ status: 200, body, headers: { 'x-amz-function-error': 'Unhandled' } });
    await expect(template.call('x', {})).rejects.toMatchObject({
      name: 'TemplateFailed',
      message: expect.stringContaining('scanner down'),
    });
  });

  it.each([
    [403, 'AccessDeniedException', '{"message":"not authorized"}', /AccessDeniedException: not authorized/],
    [404, 'ResourceNotFoundException', '{"Message":"no such function"}', /ResourceNotFoundException: no such function/],
    [200, '', 'fine', /not JSON/],
  ])('fails the template when Lambda returns %i %s %s', async (status, type, body, message) => {
    const { template } = await serving({ status, body, headers: { 'x-amzn-errortype': type } });
    await expect(template.call('x', {})).rejects.toMatchObject({
      name: 'TemplateFailed',
      message: expect.stringMatching(message),
    });
  });

  it.each([429, 500, 503])('counts as running, after one request, when Lambda returns %i', async (status) => {
    const { seen, template } = await serving({ status, body: '{}' });
    expect(await template.call('x', {})).toEqual({ running: true });
    expect(seen).toHaveLength(1);
  });
});
