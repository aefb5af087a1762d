import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ErrorDocument } from '../../functions/errors.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { inputKeys } from '../../functions/settings/input-schema.ts';
import { Tokens } from '../../functions/webhook/tokens.ts';
import { answer } from '../../functions/webhook/webhook.ts';
import { type CapturedLog, captureLog } from '../telemetry/log-lines.ts';
import { request, token } from './request.ts';
import { anyText } from '../text/any-text.ts';

const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: 'key', REGISTRY_NAME: 'registry.example/mirror' });

/** Executions by name, as Step Functions keeps them; it takes inputs of JSON in UTF-8. */
const started: string[] = [];
const executions = {
  start: async (name: string, input: string) => {
    expect(name).toMatch(/^[\w-]{1,80}$/);
    expect(JSON.parse(input)).toBeDefined();
    expect(input.isWellFormed()).toBe(true);
    started.push(name);
    return true;
  },
  find: async () => undefined,
  stateOf: async () => undefined,
  stop: async () => undefined,
};

let log: CapturedLog;
beforeEach(() => {
  log = captureLog();
});
afterEach(() => {
  log.release();
});

async function post(body: string, { base64 = false, headers = {} } = {}) {
  const parts = { configuration, tokens: new Tokens(async () => token), executions, findReport: async () => undefined };
  const { statusCode, body: text } = await answer(request({ body, base64, headers }), parts);
  return { status: statusCode, body: text };
}

const deep = (open: string, close: string, levels = 30_000) => open.repeat(levels) + close.repeat(levels);

describe('a body', () => {
  it.each<[string, string]>([
    ['lists in lists', deep('[', ']')],
    ['objects in objects', deep('{"a":', '}', 10_000).replace(':}', ':1}')],
    ['lists in a known key', `{"modules":${deep('[', ']', 20_000)}}`],
    ['lists that never end', '['.repeat(60_000)],
    ['a number', '5'],
    ['a huge number', '{"max_concurrency":1e999}'],
    ['a long number', `{"soak_days":${'9'.repeat(50_000)}}`],
    ['a text', '"x"'],
    ['a list', '[]'],
    ['a known key of another type', '{"pins":[{"a":{}}],"registry":{},"action":[null]}'],
    ['__proto__', '{"__proto__":{"action":"sync"}}'],
    ['__proto__ among pins', '{"pins":{"__proto__":"1"}}'],
    ['constructor', '{"constructor":{"prototype":{}}}'],
    ['halves of pairs', String.raw`{"restore_run":"\ud800","action":"restore"}`],
    ['a null byte', '{"action":"sync\u0000"}'],
    ['no JSON', '{"action":'],
    ['slashes', `{"registry":"a${'/'.repeat(60_000)}a"}`],
    ['a long unknown key', `{"${'modules'.repeat(8_000)}":1}`],
    ['a long unknown key of quotes', `{"${String.raw`\"`.repeat(30_000)}":1}`],
    ['a long unknown key among pins', `{"pins":{"${'Tag'.repeat(20_000)}":"1"}}`],
    ['many unknown keys', `{${Array.from({ length: 5_000 }, (_, n) => `"k${n}":1`).join()}}`],
  ])('refuses a body of %s', async (_, body) => {
    const { status, body: text } = await post(body);
    expect([status, JSON.parse(text)]).toMatchObject([400, { error: { name: 'InvalidInput' } }]);
    expect(text.length).toBeLessThan(100_000);
  });

  it('lists the first 100 problems, and says how many there are', async () => {
    const { body } = await post(`{${Array.from({ length: 5_000 }, (_, n) => `"k${n}":1`).join()}}`);
    const { error } = JSON.parse(body) as { error: ErrorDocument };
    expect(error.message).toBe('the execution input has 5000 problems; the first 100 are listed');
    expect(error.problems?.map(({ path }) => path)).toEqual(Array.from({ length: 100 }, (_, n) => `$.k${n}`));
  });

  it.each<[string, Buffer]>([
    ['that is not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['in UTF-16', Buffer.from('\ufeff{}', 'utf16le')],
    ['cut within a character', Buffer.from('{"a":"é"}').subarray(0, 7)],
  ])('%s is refused', async (_, bytes) => {
    expect((await post(bytes.toString('base64'), { base64: true })).status).toBe(400);
  });

  it('refuses a body that is not valid Base64, or takes it for empty', async () => {
    expect([202, 400]).toContain((await post('%%%{}', { base64: true })).status);
  });

  it('starts one run for a notification with odd members, or refuses it', async () => {
    for (const event of [
      '{}',
      '[]',
      '{"planExecutionId":{}}',
      `{"planExecutionId":"${'x'.repeat(50_000)}"}`,
      '{"__proto__":1}',
    ])
      expect([202, 400]).toContain((await post(`{"eventData":${event}}`)).status);
  });

  it('responds to any JSON body without a 5xx', async () => {
    const keys = fc.constantFrom(...inputKeys(), '__proto__', 'constructor', 'toString', 'eventData', '');
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        fc.constantFrom(null, true, 0, -1, 1e308, '', '__proto__', 'constructor', 'a/b', '@', '\ud800', '*', '[', '{'),
        anyText({ maxLength: 20 }),
        fc.array(tie('value'), { maxLength: 4 }),
        // As text, so that `__proto__` is a key.
        fc
          .array(fc.tuple(keys, tie('value')), { maxLength: 4 })
          .map(
            (entries) =>
              JSON.parse(
                `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${JSON.stringify(inner ?? null)}`).join()}}`,
              ) as unknown,
          ),
      ),
    }));
    const document = fc.array(fc.tuple(keys, value), { maxLength: 6 });
    const text = document.map(
      (entries) =>
        `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${JSON.stringify(inner ?? null)}`).join()}}`,
    );
    const bodies = fc.oneof(text, anyText({ maxLength: 200 }));
    await fc.assert(
      fc.asyncProperty(bodies, fc.boolean(), async (body, base64) => {
        const { status } = await post(base64 ? Buffer.from(body).toString('base64') : body, { base64 });
        expect([202, 400]).toContain(status);
      }),
      { numRuns: 1_000, interruptAfterTimeLimit: 5_000 },
    );
  });

  it('responds to any bytes without a 5xx', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const { status } = await post(Buffer.from(bytes).toString('base64'), { base64: true });
        expect([202, 400]).toContain(status);
      }),
      { numRuns: 500, interruptAfterTimeLimit: 3_000 },
    );
  });
});
