import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessClient } from '../../functions/harness/client.ts';
import type { ConfigScope } from '../../functions/harness/scope.ts';
import { Transport } from '../../functions/http/transport.ts';
import { defaultQuirks } from '../../infra/local/embedded/harness-api/quirks.ts';
import { startHarnessApi, type EmbeddedHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';

const k8: ConfigScope = { module: 'ci', infrastructureType: 'K8' };
const change = { field: 'addonTag', value: 'registry.example.com/harness/ci-addon:9.9.1' };

let harness: EmbeddedHarnessApi;
let client: HarnessClient;
const transport = new Transport();

function connect(url: string, options: { timeoutMs?: { read: number; write: number } } = {}): HarnessClient {
  return new HarnessClient({
    url,
    apiKey: harness.apiKey,
    transport,
    retry: { attempts: 3, baseMs: 1, maxMs: 2 },
    ...options,
  });
}

beforeAll(async () => {
  harness = await startHarnessApi();
  client = connect(harness.url);
});

beforeEach(() => {
  harness.requests.length = 0;
  Object.assign(harness.quirks, defaultQuirks());
});

afterAll(async () => {
  await transport.destroy();
  await harness.close();
});

function fail(status: number, count = Infinity, headers: Record<string, string> = {}): void {
  harness.quirks.failNext.push({ count, status, headers });
}

describe('a read', () => {
  it.each([429, 500, 502, 503, 504])('repeats a read after %d', async (status) => {
    fail(status, 2);
    expect(await client.overrides(k8)).toEqual({});
    expect(harness.requests).toHaveLength(3);
  });

  it('repeats a read after throttling without Retry-After', async () => {
    harness.quirks.throttle = 2;
    await client.defaultConfig(k8);
    expect(harness.requests).toHaveLength(3);
  });

  it.each([429, 500, 503])('gives a read up after the last attempt, as unreachable, on %d', async (status) => {
    fail(status);
    await expect(client.overrides(k8)).rejects.toMatchObject({
      name: 'HarnessUnreachable',
      message: expect.stringContaining(`returned ${status}`),
    });
    expect(harness.requests).toHaveLength(3);
  });

  it.each([400, 401, 403, 404])('does not repeat a read after %d', async (status) => {
    fail(status);
    await expect(client.overrides(k8)).rejects.toThrow();
    expect(harness.requests).toHaveLength(1);
  });

  it('repeats a read after a timeout', async () => {
    harness.quirks.hang = 1;
    const impatient = connect(harness.url, { timeoutMs: { read: 200, write: 200 } });
    expect(await impatient.overrides(k8)).toEqual({});
    expect(harness.requests).toHaveLength(2);
  });
});

describe('a write', () => {
  it.each([429, 502, 503, 504])('repeats a write after %d, since it sets the same values', async (status) => {
    fail(status, 2);
    await client.updateConfig(k8, [change]);
    expect(harness.requests).toHaveLength(3);
  });

  it.each([429, 503])('does not call a write rejected when %d stays', async (status) => {
    fail(status);
    await expect(client.updateConfig(k8, [change])).rejects.toMatchObject({ name: 'HarnessUnreachable' });
    expect(harness.requests).toHaveLength(3);
  });

  it.each([400, 500])('does not repeat a write after %d, which may mean an unknown field', async (status) => {
    fail(status);
    await expect(client.updateConfig(k8, [change])).rejects.toMatchObject({ name: 'HarnessRejected' });
    expect(harness.requests).toHaveLength(1);
  });

  it('repeats a write after a broken connection', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.on('error', () => undefined);
      socket.once('data', () => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      await expect(connect(`http://127.0.0.1:${port}`).resetConfig(k8, ['addonTag'])).rejects.toMatchObject({
        name: 'HarnessUnreachable',
      });
      expect(connections).toBe(3);
    } finally {
      server.close();
    }
  });
});

describe('a pause that the server asks for', () => {
  it.each([429, 503])('waits for the time in the Retry-After of a %d', async (status) => {
    fail(status, 1, { 'retry-after': '30' });
    const controller = new AbortController();
    const waiting = client.overrides(k8, controller.signal);
    const settled = waiting.catch((error: unknown) => error);
    // Backoff alone would be over after two milliseconds; ten other calls take longer.
    for (let i = 0; i < 10; i++) await client.defaultConfig(k8);
    controller.abort(new Error('enough'));
    expect(await settled).toEqual(new Error('enough'));
    expect(harness.requests.filter(({ path }) => path.endsWith('get-customer-config'))).toHaveLength(1);
  });

  it.each([429, 503])('leaves a pause longer than a minute after a %d to the next run', async (status) => {
    fail(status, 1, { 'retry-after': '61' });
    await expect(client.overrides(k8)).rejects.toMatchObject({ name: 'HarnessUnreachable', retryAfterMs: 61_000 });
    expect(harness.requests).toHaveLength(1);
  });

  it('sends a write again after the pause', async () => {
    harness.quirks.throttle = 2;
    harness.quirks.throttleRetryAfter = '0';
    await client.updateConfig(k8, [change]);
    expect(harness.requests.map(({ path }) => path.split('/').at(-1))).toEqual(Array(3).fill('update-config'));
  });
});

describe('an aborted signal', () => {
  it('ends a pending call with its reason', async () => {
    harness.quirks.hang = 1;
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const settled = client.overrides(k8, controller.signal).catch((error: unknown) => error);
    for (let i = 0; i < 1_000 && harness.requests.length === 0; i++) await sleep(1);
    controller.abort(reason);
    expect(await settled).toBe(reason);
    expect(harness.requests).toHaveLength(1);
  });

  it('sends nothing when it is aborted before', async () => {
    await expect(client.overrides(k8, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    expect(harness.requests).toEqual([]);
  });
});
