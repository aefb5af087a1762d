import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Execution } from '../../functions/aws/executions.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { Tokens } from '../../functions/webhook/tokens.ts';
import type { Report } from '../../functions/state/documents.ts';
import { answer } from '../../functions/webhook/webhook.ts';
import type { WebhookParts } from '../../functions/webhook/webhook-parts.ts';
import { type CapturedLog, captureLog } from '../telemetry/log-lines.ts';
import { request, type RequestOptions, token } from './request.ts';
import { noTotals } from '../tasks/no-totals.ts';

const configuration = parseConfiguration({
  HARNESS_API_KEY_SECRET: 'key',
  REGISTRY_NAME: 'registry.example/mirror',
});

let executions: Map<string, Execution & { input: string }>;
let log: CapturedLog;
let lookups: number;
beforeEach(() => {
  executions = new Map();
  lookups = 0;
  log = captureLog();
});
afterEach(() => {
  log.release();
});

const parts: WebhookParts = {
  configuration,
  tokens: new Tokens(async () => token),
  executions: {
    start: async (name, input) => {
      if (executions.has(name)) return false;
      executions.set(name, { status: 'RUNNING', startedAt: new Date(), input });
      return true;
    },
    find: async (name) => {
      lookups++;
      return executions.get(name);
    },
    stateOf: async () => undefined,
    stop: async () => undefined,
  },
  findReport: async () => stored,
};

/** The stored report of a run. */
let stored: Report | undefined;
afterEach(() => {
  stored = undefined;
});

async function send(options: RequestOptions = {}) {
  const { statusCode: status, headers, body } = await answer(request(options), parts);
  return { status, headers, body: JSON.parse(body) as Record<string, unknown> };
}

const json = 'application/json';
const kilobytes = (n: number) => n * 1024;
/** Returns JSON of `bytes` bytes. */
const ofLength = (length: number) => '{}'.padEnd(length);

describe('the status of a plan', () => {
  const image = { source: null, digest: null, bytesTransferred: 0, bytesSkipped: 0, status: 'planned' } as const;
  const whole: Report = {
    status: 'SUCCEEDED',
    action: 'plan',
    runId: 'long',
    images: [{ ...image, image: 'a/b:1', target: 'r.example/a/b:1' }],
    config: [],
    totals: { ...noTotals, images: 1, durationMs: 1 },
  };

  it('has the images of the stored report, where the output of the run was too long for them', async () => {
    const output = JSON.stringify({ ...whole, images: [] });
    executions.set('long', { status: 'SUCCEEDED', startedAt: new Date(), endedAt: new Date(), input: '{}', output });
    stored = whole;
    const { body } = await send({ method: 'GET', path: '/runs/long' });
    expect(body).toMatchObject({ status: 'SUCCEEDED', images: 'a/b:1', toSwitch: '' });
  });
});

describe('a request', () => {
  it('starts a run, returns its URL and logs it', async () => {
    const { status, headers, body } = await send({ body: '{"action":"plan"}' });
    const [name] = executions.keys();
    expect(status).toBe(202);
    expect(headers).toEqual({ 'content-type': json, 'cache-control': 'no-store' });
    expect(body).toEqual({
      runId: name,
      status: 'RUNNING',
      url: `https://abc.lambda-url.eu-west-1.on.aws/runs/${name}`,
    });
    expect([...executions.values()].map(({ input }) => input)).toEqual(['{"action":"plan"}']);
    expect(log.lines).toMatchObject([{ level: 'INFO', message: 'run started', runId: name }]);
  });

  it('returns the run of the first request to a repeated one', async () => {
    const delivery = { body: '{}', headers: { 'idempotency-key': 'k' } };
    const first = await send(delivery);
    const [execution] = executions.values();
    Object.assign(execution ?? {}, { status: 'ABORTED', endedAt: new Date() });
    const again = await send(delivery);
    expect([again.status, again.body]).toEqual([202, { ...first.body, status: 'FAILED' }]);
    expect(log.lines).toMatchObject([{ message: 'run started' }, { message: 'delivered before' }]);
  });

  it('may say nothing of an encoding', async () => {
    const { isBase64Encoded: _, ...plain } = request({ body: '{"action":"plan"}' });
    await answer(plain, parts);
    expect([...executions.values()].map(({ input }) => input)).toEqual(['{"action":"plan"}']);
  });

  it('responds 404 to a path below a run', async () => {
    const { runId } = (await send()).body;
    expect((await send({ method: 'GET', path: `/runs/${String(runId)}/log` })).status).toBe(404);
  });

  it('returns the status of a run', async () => {
    const { runId, url } = (await send()).body;
    const { status, body } = await send({ method: 'GET', path: `/runs/${String(runId)}` });
    expect([status, body]).toEqual([200, { runId, url, status: 'RUNNING', startedAt: expect.any(String) }]);
  });

  it.each<[string, RequestOptions]>([
    ['with a slash at the end', { path: '/runs/' }],
    ['without a body, and a type of its own', { headers: { 'content-type': 'text/plain' } }],
    ['with an empty body', { body: '', headers: { 'content-type': undefined } }],
    ['of a notification without a type that says more', { body: '{"eventData":{}}' }],
    ['of 64 KiB', { body: ofLength(kilobytes(64)) }],
    ['of 64 KiB that are encoded', { body: Buffer.from(ofLength(kilobytes(64))).toString('base64'), base64: true }],
  ])('takes a request %s', async (_, options) => {
    expect((await send(options)).status).toBe(202);
    expect([...executions.values()].map(({ input }) => input)).toEqual(['{}']);
  });

  it.each<[number, string, RequestOptions, string]>([
    [401, 'without a token', { headers: { authorization: undefined } }, 'Unauthorized'],
    [401, 'with another token', { headers: { authorization: `Bearer ${token}-not` } }, 'Unauthorized'],
    [404, 'for nothing', { path: '/' }, 'NotFound'],
    [404, 'for something else', { path: '/walks' }, 'NotFound'],
    [404, 'for a run that is unknown', { method: 'GET', path: '/runs/a' }, 'NotFound'],
    [405, 'to list runs', { method: 'GET' }, 'MethodNotAllowed'],
    [405, 'to change a run', { path: '/runs/a' }, 'MethodNotAllowed'],
    [413, 'of more than 64 KiB', { body: ofLength(kilobytes(64) + 1) }, 'PayloadTooLarge'],
    [
      413,
      'of more than 64 KiB that are encoded',
      { body: Buffer.alloc(kilobytes(64) + 1).toString('base64'), base64: true },
      'PayloadTooLarge',
    ],
    [415, 'of a form', { body: 'a=b', headers: { 'content-type': 'text/plain' } }, 'UnsupportedMediaType'],
    [
      415,
      'of a single character without a type',
      { body: ' ', headers: { 'content-type': undefined } },
      'UnsupportedMediaType',
    ],
    [400, 'of no JSON', { body: '{' }, 'InvalidInput'],
    [400, 'of a wrong input', { body: '{"action":"sink"}' }, 'InvalidInput'],
    [400, 'of one key that is not trusted', { body: '{"prune":true}' }, 'InvalidInput'],
  ])('gets %i: %s', async (status, _, options, name) => {
    const response = await send(options);
    expect(response).toMatchObject({ status, body: { error: { name, message: expect.any(String) } } });
    expect([executions.size, log.lines]).toEqual([0, []]);
  });

  it.each([
    ['POST', '/runs', 'GET'],
    ['GET', '/runs/a', 'DELETE'],
  ])('learns that it takes %s %s when it says %s', async (allow, path, method) => {
    expect((await send({ method, path })).headers).toMatchObject({ allow });
  });

  it('does not look up an id that no run can have', async () => {
    expect((await send({ method: 'GET', path: '/runs/a%2Fb' })).status).toBe(404);
    expect(lookups).toBe(0);
  });

  it('learns of the keys that are not trusted, and how to open them', async () => {
    const { body } = await send({ body: '{"prune":true,"source_registry":"evil.example"}' });
    expect(body['error']).toMatchObject({
      message: 'the webhook of this deployment refuses these values of prune, source_registry',
      hint: expect.stringContaining('WEBHOOK_ALLOW'),
      problems: [{ path: '$.prune' }, { path: '$.source_registry' }],
    });
  });

  it('throws a failure of the deployment or of the webhook', async () => {
    const broken = { ...parts, tokens: new Tokens(async () => '{}') };
    await expect(answer(request(), broken)).rejects.toMatchObject({ name: 'InvalidConfiguration' });
    const bug = { ...parts, configuration: undefined as never };
    await expect(answer(request({ body: '{}' }), bug)).rejects.toThrow(TypeError);
  });
});
