import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { networkFailure } from '../../functions/http/network-error.ts';
import { readBody, type Response, Transport } from '../../functions/http/transport.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { readBlob } from '../../functions/oci/registry/blob-download.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { getManifest } from '../../functions/oci/registry/manifests.ts';
import { Registry } from '../../functions/oci/registry/registry.ts';
import { startTcpPeer, type TcpPeer } from './tcp-peer.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A server that responds to each request with `head`, and then sends `piece` every `everyMs`, without end. */
async function start(head: string, piece: string | Buffer, everyMs: number): Promise<TcpPeer> {
  const peer = await startTcpPeer((socket: Socket) => {
    socket.once('data', () => {
      socket.write(head);
      const timer = setInterval(() => socket.write(piece), everyMs);
      socket.once('close', () => clearInterval(timer));
    });
  });
  closing.push(() => peer.close());
  return peer;
}

function transport(limits: { headersMs?: number; bodyIdleMs?: number }): Transport {
  const made = new Transport({ environment: {}, headersMs: 5_000, bodyIdleMs: 5_000, ...limits });
  closing.push(() => made.destroy());
  return made;
}

const get = (client: Transport, { host }: TcpPeer): Promise<Response> =>
  client.request({ method: 'GET', url: new URL(`http://${host}/`) });

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return networkFailure(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )?.code;
}

const endless = 'HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n';

describe('the headers of a response', () => {
  it('applies one time limit to the headers, however many interim responses arrive', async () => {
    const peer = await start('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 10);
    expect(await codeOf(get(transport({ headersMs: 200 }), peer))).toBe('UND_ERR_HEADERS_TIMEOUT');
  });

  it('applies the same limit to the headers after an upload', async () => {
    const peer = await start('', 'HTTP/1.1 102 Processing\r\n\r\n', 10);
    const client = transport({ headersMs: 200 });
    const body = async function* () {
      yield Buffer.from('x');
    };
    const sent = client.request({ method: 'PUT', url: new URL(`http://${peer.host}/`), body: body() });
    expect(await codeOf(sent)).toBe('UND_ERR_HEADERS_TIMEOUT');
  });

  it('applies the same limit to a large body, the time of sending included', async () => {
    let read = 0;
    const peer = await startTcpPeer((socket: Socket) => {
      socket.on('data', ({ length }: Buffer) => {
        read += length;
        socket.pause();
      });
      const timer = setInterval(() => socket.resume(), 5);
      socket.once('close', () => clearInterval(timer));
    });
    closing.push(() => peer.close());
    const body = Buffer.alloc(64 * 1024 * 1024);
    const sent = transport({ headersMs: 500 }).request({
      method: 'PATCH',
      url: new URL(`http://${peer.host}/`),
      body,
    });
    expect(await codeOf(sent)).toBe('UND_ERR_HEADERS_TIMEOUT');
    expect(read).toBeLessThan(body.length);
  });

  it('fail for an unrequested status 100', async () => {
    const peer = await start('', 'HTTP/1.1 100 Continue\r\n\r\n', 10);
    expect(await codeOf(get(transport({}), peer))).toBe('UND_ERR_SOCKET');
  });

  it('must arrive in time, even byte by byte', async () => {
    const peer = await start('HTTP/1.1 200 OK\r\nx: ', 'y', 10);
    expect(await codeOf(get(transport({ headersMs: 200 }), peer))).toBe('UND_ERR_HEADERS_TIMEOUT');
  });

  it('fail by name when they are too large', async () => {
    const peer = await start(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, '', 1_000);
    const client = transport({});
    expect(await codeOf(get(client, peer))).toBe('UND_ERR_HEADERS_OVERFLOW');
    const registry = new Registry({ registry: peer.host, transport: client, credentials: anonymous });
    await expect(getManifest(new Repository(registry, 'a/b'), 'latest')).rejects.toMatchObject({
      name: 'RegistryUnreachable',
      message: expect.stringContaining('the headers of the response are larger than 16 KiB'),
    });
  });
});

describe('a document', () => {
  it('fails at its time limit when it arrives byte by byte', async () => {
    const client = transport({ bodyIdleMs: 50 });
    const response = await get(client, await start(endless, 'x', 5));
    expect(await codeOf(readBody(response, 1_000_000))).toBe('UND_ERR_BODY_TIMEOUT');
  });

  it('ends at its time limit when it is dumped', async () => {
    const response = await get(transport({ bodyIdleMs: 50 }), await start(endless, 'x', 5));
    await response.body.dump();
    expect(response.body.destroyed).toBe(true);
  });

  it('frees its connection without a reader, and does not end the process', async () => {
    const response = await get(transport({ bodyIdleMs: 50 }), await start(endless, 'x', 5));
    await new Promise((resolve) => response.body.once('close', resolve));
    expect(response.body.errored).toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
  });
});

describe('a blob', () => {
  it('fails when it is too slow', async () => {
    const response = await get(transport({ bodyIdleMs: 100 }), await start(endless, 'x', 5));
    await expect(drain(response)).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' });
  });

  it('may take longer than a document if it is fast enough', async () => {
    // 20 KiB/s, for more than four times the longest silence.
    const size = 8_192;
    const peer = await start(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`, Buffer.alloc(102), 5);
    expect(await drain(await get(transport({ bodyIdleMs: 50 }), peer))).toBe(size);
  });

  it('waits for its reader without a limit', async () => {
    const peer = await start('HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n', 'x'.repeat(5_000), 5);
    const response = await get(transport({ bodyIdleMs: 100 }), peer);
    let length = 0;
    for await (const chunk of response.chunks()) {
      length += chunk.length;
      await new Promise((resolve) => setTimeout(resolve, 450));
    }
    expect(length).toBe(20_000);
  });

  it('resumes a bounded number of times when it is too slow', async () => {
    const content = Buffer.alloc(100_000);
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}` as Digest;
    const peer = await start(endless, 'x', 5);
    const registry = new Registry({
      registry: peer.host,
      transport: transport({ bodyIdleMs: 20 }),
      credentials: anonymous,
      retry: { attempts: 2, baseMs: 0, maxMs: 0 },
    });
    const blob = { mediaType: 'x', digest, size: content.length };
    const reading = (async () => {
      for await (const _ of readBlob(new Repository(registry, 'a/b'), blob));
    })();
    await expect(reading).rejects.toMatchObject({ name: 'RegistryUnreachable' });
    expect(peer.connections).toBe(9);
  });
});

async function drain(response: Response): Promise<number> {
  let length = 0;
  for await (const chunk of response.chunks()) length += chunk.length;
  return length;
}

it('names an unknown failure of TLS by its code', () => {
  const error = Object.assign(new Error('x'), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  expect(networkFailure(error)).toMatchObject({ text: 'TLS failed (ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION)' });
});
