import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from '@jest/globals';
import { clientConfig } from '../../functions/aws/client-config.ts';
import { HarnessClient } from '../../functions/harness/client.ts';
import { networkFailure } from '../../functions/http/network-error.ts';
import { readBody, Transport, type TransportOptions } from '../../functions/http/transport.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { getManifest } from '../../functions/oci/registry/manifests.ts';
import { Registry } from '../../functions/oci/registry/registry.ts';
import { startTcpPeer, type TcpPeer } from './tcp-peer.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(behaviour: (socket: Socket) => void): Promise<TcpPeer> {
  const peer = await startTcpPeer(behaviour);
  closing.push(() => peer.close());
  return peer;
}

function connect(options: TransportOptions = {}): Transport {
  const transport = new Transport({ environment: {}, ...options });
  closing.push(() => transport.destroy());
  return transport;
}

async function failureOf(work: Promise<unknown>) {
  return networkFailure(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

const tunnelOpened = 'HTTP/1.1 200 OK\r\n\r\n';

/** Ways to close a connection, from the first moment to the last. */
const closings: Record<string, (socket: Socket) => void> = {
  'closes at once': (socket) => void socket.resume().end(),
  'resets at once': (socket) => void socket.resetAndDestroy(),
  'closes after the first bytes': (socket) => void socket.once('data', () => socket.end()),
  'closes within the headers': (socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nx: y')),
};

describe.each(Object.entries(closings))('a peer that %s', (_, behaviour) => {
  it.each(['http', 'https'])('fails a request by %s with one connection', async (scheme) => {
    const peer = await start(behaviour);
    const request = connect().request({ method: 'GET', url: new URL(`${scheme}://${peer.host}/v2/`) });
    expect(await failureOf(request)).toBeDefined();
    // A client that connects again would do so before these turns are over.
    for (let turn = 0; turn < 50; turn++) await setImmediate();
    expect(peer.connections).toBe(1);
  });

  it.each(['http', 'https'])('fails a request by %s as a proxy, with one connection', async (scheme) => {
    const peer = await start(behaviour);
    const proxy = `http://${peer.host}`;
    const transport = connect({ environment: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } });
    const failure = await failureOf(transport.request({ method: 'GET', url: new URL(`${scheme}://r.example/`) }));
    expect(failure).toBeDefined();
    for (let turn = 0; turn < 50; turn++) await setImmediate();
    expect(peer.connections).toBe(1);
    if (scheme === 'https') expect(failure?.text).toContain(`the proxy ${peer.host}`);
  });

  it('fails many requests at once with one connection for each', async () => {
    const peer = await start(behaviour);
    const transport = connect();
    const url = new URL(`https://${peer.host}/`);
    const failures = await Promise.all(
      Array.from({ length: 20 }, () => failureOf(transport.request({ method: 'GET', url }))),
    );
    expect(failures.every(Boolean)).toBe(true);
    expect(peer.connections).toBeLessThanOrEqual(20);
  });

  it('receives as many requests as retries allow from the registry client, with growing pauses', async () => {
    const peer = await start(behaviour);
    const environment = { HTTPS_PROXY: `http://${peer.host}` };
    const registry = new Registry({
      registry: 'r.example',
      transport: connect({ environment }),
      credentials: anonymous,
      retry: { attempts: 3, baseMs: 1, maxMs: 2 },
    });
    await expect(getManifest(new Repository(registry, 'a/b'), 'latest')).rejects.toMatchObject({
      name: 'RegistryUnreachable',
    });
    expect(peer.connections).toBe(registry.limits.counts().retries + 1);
    expect(peer.connections).toBeLessThanOrEqual(3);
  });

  it('receives as many requests as retries allow from the Harness client', async () => {
    const peer = await start(behaviour);
    const client = new HarnessClient({
      url: `http://${peer.host}`,
      apiKey: 'pat.account.id.secret',
      transport: connect(),
      retry: { attempts: 3, baseMs: 1, maxMs: 2 },
    });
    await expect(client.overrides({ module: 'ci', infrastructureType: 'K8' })).rejects.toMatchObject({
      name: expect.stringMatching(/^Harness/),
    });
    expect(peer.connections).toBeLessThanOrEqual(3);
  });

  it('receives as many requests as retries allow from the AWS client', async () => {
    const peer = await start(behaviour);
    const s3 = new S3Client({
      ...clientConfig(),
      region: 'eu-west-1',
      endpoint: `http://${peer.host}`,
      forcePathStyle: true,
      maxAttempts: 2,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    await expect(s3.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }))).rejects.toThrow();
    expect(peer.connections).toBeLessThanOrEqual(2);
  });
});

describe('a tunnel', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['never answers', () => undefined],
    ['sends its headers byte by byte', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx: yyyyyyyyyyyyyyyyyyyyyyyyyyy')],
    ['opens it to a target that never answers', (socket) => void socket.once('data', () => socket.write(tunnelOpened))],
  ])('ends at its time limit through a proxy that %s', async (_, behaviour) => {
    const peer = await start(behaviour);
    const transport = connect({ environment: { HTTPS_PROXY: `http://${peer.host}` }, connectMs: 50 });
    const failure = await failureOf(transport.request({ method: 'GET', url: new URL('https://r.example/') }));
    expect(failure).toMatchObject({ code: 'ERR_PROXY_TIMEOUT', transient: true });
    expect(failure?.text).toContain(`the proxy ${peer.host}`);
    expect(peer.connections).toBe(1);
  });

  it('fails with one connection when the target closes it during the handshake', async () => {
    const peer = await start((socket) => {
      socket.once('data', () => {
        socket.write(tunnelOpened);
        socket.once('data', () => socket.end());
      });
    });
    const transport = connect({ environment: { HTTPS_PROXY: `http://${peer.host}` } });
    const failure = await failureOf(transport.request({ method: 'GET', url: new URL('https://r.example/') }));
    expect(failure).toMatchObject({ code: 'ECONNRESET', transient: true });
    expect(peer.connections).toBe(1);
  });

  it('stops opening when the transport is destroyed', async () => {
    const asked = Promise.withResolvers<void>();
    const peer = await start((socket) => void socket.once('data', () => asked.resolve()));
    const transport = connect({ environment: { HTTPS_PROXY: `http://${peer.host}` } });
    const failed = failureOf(transport.request({ method: 'GET', url: new URL('https://r.example/') }));
    await asked.promise;
    await transport.destroy();
    await failed;
    await peer.close();
    closing.length = 0;
  });

  it('uses a separate connection for each of two concurrent requests', async () => {
    const peer = await start((socket) => void socket.once('data', () => socket.end('HTTP/1.1 403 No\r\n\r\n')));
    const transport = connect({ environment: { HTTPS_PROXY: `http://${peer.host}` } });
    const get = () =>
      transport.request({ method: 'GET', url: new URL('https://r.example/') }).then((r) => readBody(r, 1));
    const failures = await Promise.all([failureOf(get()), failureOf(get())]);
    expect(failures).toMatchObject([{ code: 'ERR_PROXY_REFUSED' }, { code: 'ERR_PROXY_REFUSED' }]);
  });
});

/** Sends one byte every few milliseconds, until the other end closes. */
function drip(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++ % text.length] ?? ''), 5);
  socket.once('close', () => clearInterval(timer));
}
