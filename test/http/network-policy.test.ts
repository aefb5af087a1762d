import type { LookupAddress } from 'node:dns';
import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { networkFailure } from '../../functions/http/network-error.ts';
import { readBody, Transport, type TransportOptions } from '../../functions/http/transport.ts';
import { listenLocally, type LocalServer } from './local-server.ts';

const here: LookupAddress = { address: '127.0.0.1', family: 4 };
const privateOne: LookupAddress = { address: '10.0.0.1', family: 4 };
const publicOne: LookupAddress = { address: '8.8.8.8', family: 4 };
const metadata: LookupAddress = { address: '169.254.169.254', family: 4 };

let server: LocalServer;
let requests = 0;
/** The addresses of each name, one result per lookup; the last one repeats. */
let names: Record<string, LookupAddress[][]>;
let lookups: string[];
const transports: Transport[] = [];

beforeAll(async () => {
  server = await listenLocally(
    createServer((_, response) => {
      requests++;
      response.end('hello');
    }),
  );
});
beforeEach(() => {
  requests = 0;
  lookups = [];
  names = {
    'public.test': [[publicOne]],
    'private.test': [[privateOne]],
    'here.test': [[here]],
    'metadata.test': [[metadata]],
    'several.test': [[privateOne, metadata, here]],
  };
});
afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.destroy()));
});
afterAll(() => server.close());

function client(options: TransportOptions = {}) {
  const transport = new Transport({
    environment: {},
    resolve: async (host) => {
      lookups.push(host);
      const answers = names[host] ?? [];
      return (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
    },
    ...options,
  });
  transports.push(transport);
  return async (host: string, sentBy?: string): Promise<string> => {
    const url = new URL(`http://${host}:${server.port}/`);
    try {
      const answer = await transport.request({
        method: 'GET',
        url,
        ...(sentBy !== undefined && { sentBy: new URL(`http://${sentBy}:${server.port}`) }),
      });
      return (await readBody(answer, 100)).toString();
    } catch (error) {
      const failure = networkFailure(error);
      if (!failure) throw error;
      return failure.code;
    }
  };
}

describe('a registry', () => {
  it.each([
    ['public.test', ['here.test', 'private.test', 'metadata.test', 'several.test', '127.0.0.1', '[::1]', '10.0.0.1']],
    ['8.8.8.8', ['here.test', 'private.test', '127.0.0.1', '192.168.0.1', '[::ffff:127.0.0.1]', '[fe80::1]']],
    ['private.test', ['here.test', '127.0.0.1', 'metadata.test', '169.254.169.254']],
    ['127.0.0.1', ['metadata.test', '169.254.169.254', '[fd00:ec2::254]', '[::ffff:169.254.169.254]']],
  ])('refuses referrals of a registry at %s to %j', async (registry, targets) => {
    const get = client();
    for (const target of targets)
      expect([target, await get(target, registry)]).toEqual([target, 'ERR_ADDRESS_REFUSED']);
    expect(requests).toBe(0);
  });

  it('refers us to this machine if it is on this machine', async () => {
    const get = client();
    expect(await get('here.test', '127.0.0.1')).toBe('hello');
    expect(await get('127.0.0.1', 'here.test')).toBe('hello');
  });

  it('may have any address that is not forbidden if the user named it', async () => {
    const get = client();
    expect([await get('here.test'), await get('here.test', 'here.test')]).toEqual(['hello', 'hello']);
    expect([await get('metadata.test'), await get('169.254.169.254')]).toEqual([
      'ERR_ADDRESS_REFUSED',
      'ERR_ADDRESS_REFUSED',
    ]);
  });

  it('receives connections at its permitted addresses only', async () => {
    names['mixed.test'] = [[metadata, here]];
    expect(await client()('mixed.test')).toBe('hello');
  });

  it('stays public when its name later resolves to a private address (DNS rebinding)', async () => {
    names['rebinding.test'] = [[publicOne], [here]];
    const get = client();
    // What it is, is asked before we are sent elsewhere; afterwards it is connected to, at its address inside.
    expect(await get('here.test', 'rebinding.test')).toBe('ERR_ADDRESS_REFUSED');
    expect(await get('rebinding.test')).toBe('hello');
    expect(await get('here.test', 'rebinding.test')).toBe('ERR_ADDRESS_REFUSED');
  });

  it('counts as public if one of its addresses is public', async () => {
    names['both.test'] = [[here, publicOne]];
    expect(await client()('here.test', 'both.test')).toBe('ERR_ADDRESS_REFUSED');
  });

  it('receives connections at the checked address because the name is resolved once', async () => {
    names['target.test'] = [[here], [metadata]];
    expect(await client()('target.test', '127.0.0.1')).toBe('hello');
    expect(lookups).toEqual(['target.test']);
  });

  it('cannot use a connection that only another sender may use', async () => {
    const get = client();
    expect(await get('here.test')).toBe('hello');
    expect(await get('here.test', 'public.test')).toBe('ERR_ADDRESS_REFUSED');
    expect(requests).toBe(1);
  });

  it('refers us to hosts that the user trusts, but never to a metadata service', async () => {
    const get = client({ trustedPrivateHosts: ['here.test', '127.0.0.0/8', 'metadata.test'] });
    expect(await get('here.test', 'public.test')).toBe('hello');
    expect(await get('127.0.0.1', 'public.test')).toBe('hello');
    expect(await get('metadata.test', 'public.test')).toBe('ERR_ADDRESS_REFUSED');
  });
});

describe('a refused address', () => {
  it('appears in the failure with a hint', async () => {
    const transport = new Transport({ environment: {} });
    transports.push(transport);
    const sent = { method: 'GET', url: new URL('http://10.0.0.1/'), sentBy: new URL('https://8.8.8.8') } as const;
    const error = await transport.request(sent).catch((thrown: unknown) => thrown);
    expect(networkFailure(error)).toEqual({
      code: 'ERR_ADDRESS_REFUSED',
      text: 'a registry at a public address referred us to 10.0.0.1, which is more private',
      hint: 'Trust the host if this is intended.',
      topic: 'private-address',
      transient: false,
    });
  });
});

describe('a time limit', () => {
  it.each([
    ['the first byte of an answer', { headersMs: 20 }, false, 'UND_ERR_HEADERS_TIMEOUT'],
    ['the next bytes of a body', { bodyIdleMs: 20 }, true, 'UND_ERR_BODY_TIMEOUT'],
  ])('ends the wait for %s', async (_, options, begins, code) => {
    const silent = createServer((__, response) => {
      if (begins) response.writeHead(200, { 'content-length': '2' }).write('1');
    });
    const { url: address, close } = await listenLocally(silent);
    try {
      const transport = new Transport(options);
      transports.push(transport);
      const url = new URL(address);
      const reading = transport.request({ method: 'GET', url }).then((answer) => readBody(answer, 100));
      expect(networkFailure(await reading.catch((error: unknown) => error))?.code).toBe(code);
    } finally {
      await close();
    }
  });
});
