import { createHash } from 'node:crypto';
import { getEventListeners, once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { networkFailure } from '../../functions/http/network-error.ts';
import { displayUrl } from '../../functions/http/redact.ts';
import { readBody, Transport } from '../../functions/http/transport.ts';
import { startTcpPeer } from './tcp-peer.ts';

let transport: Transport;
const servers: Server[] = [];

beforeEach(() => {
  transport = new Transport();
});
afterEach(async () => {
  await transport.destroy();
  for (const server of servers.splice(0)) {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
});

async function listen(server: Server): Promise<URL> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

const serve = (listener: RequestListener) => listen(createServer(listener));
const get = (url: URL, signal?: AbortSignal) => transport.request({ method: 'GET', url, signal });

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('the transport', () => {
  it('follows no redirect', async () => {
    const url = await serve((_, response) => response.writeHead(302, { location: '/elsewhere' }).end());
    const response = await get(url);
    expect([response.status, response.header('location')]).toEqual([302, '/elsewhere']);
    await response.body.dump();
  });

  it('joins the lines of a list header, and takes the first of any other', async () => {
    const url = await serve((_, response) =>
      response
        .writeHead(401, [
          'www-authenticate',
          'Basic realm="a"',
          'www-authenticate',
          'Bearer realm="b"',
          'x',
          '1',
          'x',
          '2',
        ])
        .end(),
    );
    const response = await get(url);
    expect(response.header('www-authenticate')).toBe('Basic realm="a", Bearer realm="b"');
    expect(response.header('x')).toBe('1');
    await response.body.dump();
  });

  it.each(['GET', 'HEAD'] as const)(
    'reuses the connection for a %s that immediately follows a response',
    async (method) => {
      let connections = 0;
      const server = createServer((_, response) => response.end());
      server.on('connection', () => connections++);
      const url = await listen(server);
      for (let n = 0; n < 10; n++) await (await transport.request({ method, url })).body.dump();
      expect(connections).toBe(1);
    },
  );

  it('never sends the credentials of a URL', async () => {
    const url = await serve((request, response) => response.end(request.headers.authorization ?? 'none'));
    url.username = 'ada';
    url.password = 'horse';
    expect((await readBody(await get(url), 100)).toString()).toBe('none');
    expect(displayUrl(new URL(`${url.href}a/b?X-Signature=secret`))).toBe(`${url.protocol}//${url.host}/a/b`);
  });

  it('reads a body up to its limit and no further', async () => {
    const url = await serve((_, response) => response.end(Buffer.alloc(100_000)));
    expect(await readBody(await get(url), 100_000)).toHaveLength(100_000);
    await expect(readBody(await get(url), 99_999)).rejects.toThrow(RangeError);
  });

  it('fails an upload whose length differs from the declared one', async () => {
    const url = await serve((request, response) => request.resume().on('end', () => response.end()));
    const send = (body: AsyncIterable<Uint8Array>) =>
      transport.request({ method: 'PUT', url, headers: { 'content-length': '10' }, body });
    expect(await failureOf(send(pieces(4, 5)))).toMatchObject({ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' });
    expect(await failureOf(send(pieces(4, 7)))).toMatchObject({ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' });
    expect((await send(pieces(4, 6))).status).toBe(200);
  });

  it('frees the large chunks of an upload when they are sent, and sends every byte of them', async () => {
    const received = createHash('sha256');
    const url = await serve(async (request, response) => {
      for await (const chunk of request) received.update(chunk as Buffer);
      response.end();
    });
    const sizes = [...Array.from({ length: 100 }, () => 128 * 1024), 1024];
    const chunks = sizes.map((size, i) => new Uint8Array(size).fill(i));
    const sent = createHash('sha256');
    for (const chunk of chunks) sent.update(chunk);
    const body = Readable.from(chunks);
    const length = sizes.reduce((sum, size) => sum + size, 0);
    const headers = { 'content-length': String(length) };
    await (await transport.request({ method: 'PUT', url, headers, body })).body.dump();
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(chunks.map((chunk) => chunk.length)).toEqual([...Array.from({ length: 100 }, () => 0), 1024]);
  });

  it('sends a large body whole, with its length, and does not free it', async () => {
    const received: Buffer[] = [];
    let declared: unknown;
    const url = await serve(async (request, response) => {
      const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
      declared = { length, encoding };
      for await (const chunk of request) received.push(chunk as Buffer);
      response.end();
    });
    const body = Buffer.from(Uint32Array.from({ length: 300_001 }, (_, i) => i).buffer);
    await (await transport.request({ method: 'PATCH', url, body })).body.dump();
    expect(declared).toEqual({ length: '1200004', encoding: undefined });
    expect(Buffer.concat(received).equals(body)).toBe(true);
  });

  it('reads nothing of a large body after a response that came too early', async () => {
    const received: Buffer[] = [];
    const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
    const { promise: freed, resolve: free } = Promise.withResolvers<void>();
    const peer = await startTcpPeer((socket) => {
      socket.once('data', (head: Buffer) => {
        received.push(head);
        socket.pause().write('HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n');
        void freed.then(() => socket.on('data', (chunk: Buffer) => received.push(chunk)).resume());
      });
      socket.once('close', onClose);
    });
    const body = Buffer.alloc(16 * 1024 * 1024, 'x');
    await (await transport.request({ method: 'PATCH', url: new URL(`http://${peer.host}/`), body })).body.dump();
    // What a later upload or a freed page would hold.
    body.fill(0);
    free();
    await closed;
    await peer.close();
    const sent = Buffer.concat(received);
    expect(sent.includes(0)).toBe(false);
    expect(sent.length).toBeLessThan(body.length);
  });

  it('ends by its signal, with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const url = await serve(() => controller.abort(reason));
    expect(await failureOf(get(url, controller.signal))).toBe(reason);
  });
});

async function* pieces(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield Buffer.alloc(size);
}

describe('a signal of many requests', () => {
  it('holds nothing of a request that failed, or whose body was read, dumped or empty', async () => {
    const { signal } = new AbortController();
    const url = await serve((request, response) => {
      if (request.url === '/cut') request.socket.destroy();
      else response.end('body');
    });
    await readBody(await get(url, signal), 10);
    await (await get(url, signal)).body.dump();
    await (await transport.request({ method: 'HEAD', url, signal })).body.dump();
    for await (const _ of (await get(url, signal)).chunks()) continue;
    await failureOf(get(new URL('cut', url), signal));
    await failureOf(transport.request({ method: 'GET', url: new URL('http://169.254.169.254/'), signal }));
    await new Promise(setImmediate);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends a body that is being read', async () => {
    const abort = new AbortController();
    const url = await serve((_, response) => response.write('a'));
    const chunks = (await get(url, abort.signal)).chunks();
    await chunks.next();
    abort.abort(new Error('the run was interrupted'));
    await expect(chunks.next()).rejects.toThrow('the run was interrupted');
  });
});

describe('a network failure', () => {
  it('describes a port where nothing listens', async () => {
    const url = await serve(() => undefined);
    const [server] = servers.splice(0);
    server?.close();
    expect(networkFailure(await failureOf(get(url)))).toMatchObject({ code: 'ECONNREFUSED', transient: true });
  });

  it('describes a connection that the server cuts', async () => {
    const url = await serve((request) => request.socket.destroy());
    expect(networkFailure(await failureOf(get(url)))).toMatchObject({ transient: true });
  });

  it('describes a body that ends early', async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('12345', () => request.socket.resetAndDestroy());
    });
    const response = await get(url);
    expect(networkFailure(await failureOf(readBody(response, 100)))).toMatchObject({ transient: true });
  });

  it('describes a server that does not speak TLS', async () => {
    const url = await serve((_, response) => response.end());
    url.protocol = 'https:';
    expect(networkFailure(await failureOf(get(url)))).toMatchObject({
      text: 'the server does not speak TLS on this port',
      transient: false,
    });
  });

  it('describes a host without an address', async () => {
    const failure = networkFailure(await failureOf(get(new URL('http://no-such-host.invalid/'))));
    // Without a resolver at hand, as in a sandbox, the answer is EAI_AGAIN.
    expect(['ENOTFOUND', 'EAI_AGAIN']).toContain(failure?.code);
  });

  it('finds failures in causes and in the errors of several addresses, to a limited depth', () => {
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    expect(networkFailure(new Error('outer', { cause: refused }))?.code).toBe('ECONNREFUSED');
    expect(networkFailure(new AggregateError([refused, refused]))?.code).toBe('ECONNREFUSED');
    const circular = new AggregateError([]);
    circular.errors.push(circular);
    expect(networkFailure(circular)).toBeUndefined();
  });

  it.each([new Error('other'), Object.assign(new Error(), { code: 'constructor' }), undefined, 'ECONNREFUSED'])(
    'sees no network failure in %p',
    (error) => {
      expect(networkFailure(error)).toBeUndefined();
    },
  );
});
