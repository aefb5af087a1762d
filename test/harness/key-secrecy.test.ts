import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { ApiKey } from '../../functions/harness/api-key.ts';
import { HarnessClient } from '../../functions/harness/client.ts';
import type { ConfigScope } from '../../functions/harness/scope.ts';
import { Transport } from '../../functions/http/transport.ts';

const secret = 'Zq8vN3xT5wRb2LkJ';
const key = `pat.acct1.token7.${secret}`;
const k8: ConfigScope = { module: 'ci', infrastructureType: 'K8' };

/** A server that answers with what `respond` makes of the request, byte for byte. */
let respond: (request: string, socket: Socket) => void;
let server: Server;
let client: HarnessClient;
const transport = new Transport();

beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (request) => respond(request.toString(), socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const retry = { attempts: 2, baseMs: 0, maxMs: 0 };
  client = new HarnessClient({
    url: `http://127.0.0.1:${port}`,
    apiKey: key,
    transport,
    retry,
    timeoutMs: { read: 200, write: 200 },
  });
});

afterAll(async () => {
  await transport.destroy();
  await new Promise((resolve) => server.close(resolve));
});

function http(status: number, body: string, headers = ''): string {
  return `HTTP/1.1 ${status} X\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}

/** Everything that can be got out of a value: properties hidden or not, causes, what loggers print. */
function everythingIn(value: unknown, seen = new Set<unknown>()): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (seen.has(value)) return '';
  seen.add(value);
  const parts = [inspect(value, { depth: Infinity, showHidden: true }), JSON.stringify(value) ?? ''];
  for (const name of Reflect.ownKeys(value)) {
    const descriptor = Object.getOwnPropertyDescriptor(value, name);
    parts.push(String(name), everythingIn(descriptor?.value, seen));
  }
  if (value instanceof Error) parts.push(String(value), value.stack ?? '');
  return parts.join('\n');
}

const echoes: [string, (request: string) => string][] = [
  [
    'the message of a 401',
    () => http(401, JSON.stringify({ status: 'ERROR', code: 'INVALID_TOKEN', message: `bad ${key}` })),
  ],
  [
    'the code and correlation id',
    () => http(400, JSON.stringify({ status: 'ERROR', code: key, correlationId: key, message: secret })),
  ],
  [
    'the failed checks of a 403',
    () => http(403, JSON.stringify({ message: key, failedPermissionChecks: [{ permission: key }] })),
  ],
  ['a 500', () => http(500, JSON.stringify({ status: 'ERROR', message: `${key} ${key}` }))],
  ['the middle of a long message', () => http(400, JSON.stringify({ message: `${'x'.repeat(290)}${key}` }))],
  ['a page', (request) => http(200, `<html><pre>${request}</pre></html>`, 'content-type: text/html\r\n')],
  ['JSON that is none', (request) => http(200, `${key}{${request}`)],
  ['an envelope without images', () => http(200, JSON.stringify({ status: 'SUCCESS', data: [key] }))],
  ['the target of a redirect', () => http(302, '', `location: https://u:${key}@example.com/${key}?k=${key}\r\n`)],
  ['bytes that are no HTTP', (request) => `${key}\r\n${request}`],
  ['a broken header', () => `HTTP/1.1 200 OK\r\n${key} ${secret}\u0000: x\r\n\r\n`],
  ['a body that breaks off', () => `HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n${key}`],
  ['a chunk of wrong size', () => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${key}`],
];

describe('the API key', () => {
  it.each(echoes)('stays out of the error when a server echoes it in %s', async (_, answer) => {
    respond = (request, socket) => socket.end(answer(request));
    for (const call of [client.overrides(k8), client.updateConfig(k8, [{ field: 'addonTag', value: 'x:1' }])]) {
      const error: unknown = await call.then(
        () => 'no error',
        (e: unknown) => e,
      );
      // An odd answer to a write may be a success; a read of it never is.
      if (error === 'no error') continue;
      expect(error).toMatchObject({ name: expect.stringMatching(/^Harness/) });
      expect(everythingIn(error)).not.toContain(secret);
    }
    await expect(client.overrides(k8)).rejects.toThrow();
  });

  it.each<[string, (socket: Socket) => void]>([
    ['a reset', (socket) => socket.resetAndDestroy()],
    ['a silence', () => undefined],
  ])('stays out of the error after %s', async (_, act) => {
    respond = (_request, socket) => act(socket);
    const error: unknown = await client.overrides(k8).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'HarnessUnreachable' });
    expect(everythingIn(error)).not.toContain(secret);
  });

  it('hides the key in the client, inspected or serialised', () => {
    expect(everythingIn(client)).not.toContain(secret);
    expect(everythingIn(new ApiKey(key))).not.toContain(secret);
  });

  it('finds a key in the open (the walk of this test works)', () => {
    const hidden = Object.defineProperty(new Error('x'), 'hidden', { value: { deep: [key] }, enumerable: false });
    expect(everythingIn(new Error('y', { cause: hidden }))).toContain(secret);
  });

  it('sends the key in one header and nowhere else', async () => {
    let seen = '';
    respond = (request, socket) => {
      seen = request;
      socket.end(http(200, JSON.stringify({ status: 'SUCCESS', data: {} })));
    };
    await client.overrides(k8);
    expect(seen.split('\r\n').filter((line) => line.includes(secret))).toEqual([`x-api-key: ${key}`]);
    expect(seen).not.toMatch(/^authorization:/im);
  });

  it.each(['pat.acct1.id.abc', 'opaque-token'])(
    'redacts the whole key when it has no long secret at its end: %s',
    (short) => {
      expect(new ApiKey(short).redact(`key ${short} of abc`)).toBe('key *** of abc');
    },
  );

  it('redacts any key in any text around it', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9]{8,20}$/);
    fc.assert(
      fc.property(part, part, part, fc.string(), fc.string(), (account, token, last, before, after) => {
        const any = `sat.${account}.${token}.${last}`;
        fc.pre(!'***'.includes(last));
        const redacted = new ApiKey(any).redact(`${before}${any}${after}${any}`);
        expect(redacted).not.toContain(any);
        expect(redacted).not.toContain(last);
      }),
    );
  });
});
