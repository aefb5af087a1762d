import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { sendCallback } from '../../functions/report/callback.ts';
import type { Report } from '../../functions/state/documents.ts';
import { Runtime } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { MemoryStore } from '../state/memory-store.ts';
import { startFactory } from './factory.ts';
import { noTotals } from './no-totals.ts';

const path = '/gateway/pipeline/api/webhook/custom/a-trigger-token/v3?accountIdentifier=account';
const report: Report = {
  status: 'FAILED',
  action: 'sync',
  runId: 'run-1',
  images: [],
  config: [],
  totals: { ...noTotals, images: 1, failed: 1, durationMs: 5 },
  error: { name: 'ImagesFailed', message: 'x'.repeat(5_000), hint: 'See the reason of each image in the report.' },
};

describe('the callback', () => {
  const requests: { url: string; headers: IncomingHttpHeaders; body: unknown; sent: string }[] = [];
  let status = 200;
  const server = createServer(async (request, response) => {
    const sent = await text(request);
    requests.push({ url: request.url ?? '', headers: request.headers, body: parse(sent), sent });
    response.writeHead(status, { location: '/elsewhere' }).end('{"status":"ERROR","message":"of the server"}');
  });
  let harness: string;

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    harness = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  beforeEach(() => {
    requests.length = 0;
    status = 200;
  });

  /** Reports a run with this secret, and returns the warning of the callback. */
  const call = async (
    secret?: string | ((refused?: string) => Promise<string>),
    environment: Record<string, string> = {},
    of: Report = report,
  ) => {
    const runtime = new Runtime({
      configuration: parseConfiguration({ HARNESS_URL: harness, HARNESS_API_KEY: 'pat.a.b.c', ...environment }),
      store: new MemoryStore(),
      harnessApiKey: async () => '',
      credentials: anonymous,
      repositories: { ensure: async () => undefined, deleteImages: async () => false },
      callbackTarget: secret === undefined ? undefined : typeof secret === 'string' ? async () => secret : secret,
    });
    try {
      return await sendCallback(of, runtime);
    } finally {
      await runtime.close();
    }
  };

  it('reports the end of a run to a trigger of Harness', async () => {
    expect(await call(`${harness}${path}`)).toBeUndefined();
    expect(requests).toEqual([
      {
        url: path,
        sent: expect.any(String),
        headers: expect.objectContaining({ 'content-type': 'application/json' }),
        body: {
          runId: 'run-1',
          status: 'FAILED',
          action: 'sync',
          totals: report.totals,
          error: { name: 'ImagesFailed', message: 'x'.repeat(2_000) },
        },
      },
    ]);
    expect(requests[0]?.headers).not.toHaveProperty('x-api-key');
  });

  it('sends the API key from the secret, for accounts that require one', async () => {
    expect(await call(JSON.stringify({ url: `${harness}${path}`, token: 'sat.a.b.c' }))).toBeUndefined();
    expect(requests[0]).toMatchObject({ url: path, headers: { 'x-api-key': 'sat.a.b.c' } });
  });

  it('repeats a refused callback when the secret was corrected or rotated', async () => {
    status = 401;
    const secrets = [`${harness}${path}`, `${harness}/gateway/pipeline/rotated`];
    const asked: (string | undefined)[] = [];
    const read = async (refused?: string) => {
      asked.push(refused);
      status = refused === undefined ? 401 : 200;
      return secrets[asked.length - 1] ?? '';
    };
    expect(await call(read)).toBeUndefined();
    expect(asked).toEqual([undefined, secrets[0]]);
    expect(requests.map(({ url }) => url)).toEqual([path, '/gateway/pipeline/rotated']);
    expect(await call(async (refused?: string) => (refused ? `${harness}${path}` : 'no URL'))).toBeUndefined();
  });

  it.each([
    [401, 2, 1],
    [500, 1, 1],
  ])('sends one callback when the response is %i and the secret is the same', async (answer, readings, made) => {
    status = answer;
    let read = 0;
    const secret = async () => (read++, `${harness}${path}`);
    expect(await call(secret)).toContain(`HTTP ${answer}`);
    expect([read, requests.length]).toEqual([readings, made]);
  });

  describe('a callback that starts a pipeline', () => {
    const scope = { ORG_ID: 'default', PROJECT_ID: 'platform' };
    const secret = JSON.stringify({ pipeline: 'tell_the_team', token: 'sat.account.b.c' });
    const variables = () => {
      const body = requests[0]?.body as { pipeline: { variables: { name: string; value: string }[] } } | undefined;
      return Object.fromEntries((body?.pipeline.variables ?? []).map(({ name, value }) => [name, value]));
    };

    it('starts it, with how the run ended in variables', async () => {
      expect(await call(secret, scope)).toBeUndefined();
      expect(requests).toMatchObject([
        {
          url: '/gateway/pipeline/api/pipeline/execute/tell_the_team?accountIdentifier=account&orgIdentifier=default&projectIdentifier=platform',
          headers: { 'content-type': 'application/yaml', 'x-api-key': 'sat.account.b.c' },
          body: {
            pipeline: {
              identifier: 'tell_the_team',
              variables: [
                { name: 'runId', type: 'String', value: 'run-1' },
                { name: 'status', type: 'String', value: 'FAILED' },
                { name: 'error', type: 'String', value: `ImagesFailed: ${'x'.repeat(2_000)}` },
              ],
            },
          },
        },
      ]);
    });

    it('gives every variable a value', async () => {
      const { error: _, ...succeeded } = report;
      expect(await call(secret, scope, { ...succeeded, status: 'SUCCEEDED' })).toBeUndefined();
      expect(variables()).toEqual({ runId: 'run-1', status: 'SUCCEEDED', error: 'none' });
    });

    it('starts the pipeline in the account of the deployment', async () => {
      expect(await call(secret, { ...scope, HARNESS_ACCOUNT_ID: 'another' })).toBeUndefined();
      expect(requests[0]?.url).toContain('?accountIdentifier=another&');
    });

    it.each([
      ['ORG_ID, PROJECT_ID', secret, {}],
      ['"token", an API key, in the secret, HARNESS_ACCOUNT_ID', '{"pipeline": "tell_the_team", "more": 1}', scope],
      ['HARNESS_ACCOUNT_ID', '{"pipeline": "tell_the_team", "token": "an-old-key"}', scope],
      ['"pipeline", an identifier, in the secret', '{"pipeline": "../x", "token": "sat.account.b.c"}', scope],
    ])('starts nothing without %s', async (missing, text, environment) => {
      expect(await call(text, environment)).toBe(
        `callback to Harness failed: a pipeline cannot be started without ${missing}`,
      );
      expect(requests).toEqual([]);
    });
  });

  it.each([
    ['a trigger', () => `${harness}${path}`, {}],
    [
      'a pipeline',
      () => JSON.stringify({ pipeline: 'p', token: 'sat.account.b.c' }),
      { ORG_ID: 'default', PROJECT_ID: 'platform' },
    ],
  ])('neutralizes text of registries in %s: no expression, no broken YAML', async (_, secret, environment) => {
    const message = 'it said <+secrets.getValue("key")>\u0085\u007f\uffff é \u{1F600} <<+a>';
    const error = { name: 'PushRefused', message, hint: '' };
    expect(await call(secret(), environment, { ...report, error })).toBeUndefined();
    const { sent, body } = requests[0] ?? {};
    expect(sent).toMatch(/^[ -~]+$/);
    expect(sent).not.toContain('<+');
    expect(JSON.stringify(body)).toContain(JSON.stringify(message.replaceAll('<+', '< +')).slice(1, -1));
  });

  it('sends no callback where none is configured', async () => {
    expect(await call()).toBeUndefined();
    expect(requests).toEqual([]);
  });

  it.each([
    ['another host', 'https://evil.example/a-trigger-token'],
    ['another port', 'http://127.0.0.1:1/a-trigger-token'],
    ['no URL', 'a-trigger-token'],
    ['broken JSON', '{"url": "a-trigger-token'],
    ['JSON without a URL', '{"token": "a-trigger-token", "more": 1}'],
  ])('goes nowhere when the secret holds %s', async (_, secret) => {
    expect(await call(secret)).toBe(
      'callback to Harness failed: the secret that CALLBACK_URL_SECRET names holds no URL at the host of HARNESS_URL',
    );
    expect(requests).toEqual([]);
  });

  it.each([401, 404, 500, 302])('warns when Harness responds %i, without a retry', async (answer) => {
    status = answer;
    expect(await call(`${harness}${path}`)).toBe(`callback to Harness failed: HTTP ${answer}: of the server`);
    expect(requests).toHaveLength(1);
  });

  it('warns when the secret cannot be read, without showing it', async () => {
    const unreadable = async () => {
      throw new Error('cannot read https://vault.example/callback?signature=5f2e');
    };
    expect(await call(unreadable)).toBe('callback to Harness failed: cannot read https://vault.example/callback…');
  });
});

describe('a run that calls back', () => {
  it('succeeds when nobody listens, lets the next run begin, and has the warning in its report', async () => {
    const next: Report[] = [];
    const factory = await startFactory({
      callbackTarget: async () => {
        // As a pipeline may do that is started by the callback.
        if (next.length === 0) {
          next.push(report);
          next[0] = await factory.sync({}, { runId: 'run-2' });
        }
        return `${factory.harness.url}${path}`;
      },
    });
    try {
      const result = await factory.sync({}, { runId: 'run-1' });
      expect(result).toMatchObject({ status: 'SUCCEEDED', totals: { failed: 0 } });
      expect(result.warnings).toContainEqual(expect.stringMatching(/^callback to Harness failed: HTTP 4/));
      expect(await factory.document('runs/run-1/report.json')).toEqual({ version: 1, ...result });
      expect(next).toMatchObject([{ runId: 'run-2', status: 'SUCCEEDED' }]);
      expect(JSON.stringify(result)).not.toContain('a-trigger-token');
    } finally {
      await factory.close();
    }
  });
});
