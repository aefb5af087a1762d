import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { hostOf } from './host-patterns.ts';
import { portOf, type Proxy } from './proxy.ts';
import { proxyRefusal, slowProxy, unreachableProxy } from './proxy-failure.ts';

export interface TunnelOptions {
  proxy: Proxy;
  /**
   * The time limit from the connection to the proxy to the end of the TLS handshake with the target, in milliseconds.
   */
  timeoutMs: number;
  /** The TLS settings for the target. */
  secureContext?: SecureContext | undefined;
  signal: AbortSignal;
}

/** The target of a tunnel, as undici passes it to connectors. */
interface Target {
  hostname: string;
  port: string;
  servername?: string | undefined;
}

type Connected = (...outcome: [null, Socket] | [Error, null]) => void;

/**
 * Returns a connector for undici's `Pool` that uses TLS through a tunnel (RFC 9110, 9.3.6). Each call makes one
 * connection. It fails if the proxy or the target closes the connection, or at the time limit.
 */
export function tunnelConnector({ proxy, timeoutMs, secureContext, signal }: TunnelOptions) {
  let session: Buffer | undefined;

  return (target: Target, connected: Connected): void => {
    // undici reconnects immediately and endlessly if a connector fails with undici's own code for a closed socket.
    connect(target).then(
      (socket) => connected(null, socket),
      (error: Error) => connected(error, null),
    );
  };

  async function connect({ hostname, port, servername }: Target): Promise<Socket> {
    const host = hostname.includes(':') ? `[${hostname}]` : hostname;
    const authority = `${host}:${port || '443'}`;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(slowProxy(proxy, authority, timeoutMs)), timeoutMs);
    const ended = AbortSignal.any([late.signal, signal]);
    try {
      const tunnel = await openTunnel(proxy, authority, ended);
      return await secured(tunnel, ended, () =>
        connectTls({
          socket: tunnel,
          host: hostname,
          ALPNProtocols: ['http/1.1'],
          ...(servername && { servername }),
          ...(secureContext && { secureContext }),
          ...(session && { session }),
        }).on('session', (fresh) => (session = fresh)),
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Requests a tunnel to `authority` (`host:port`) from the proxy. Throws `NetworkError`, which names the proxy. */
async function openTunnel(proxy: Proxy, authority: string, signal: AbortSignal): Promise<Socket> {
  const { url, authorization } = proxy;
  const { promise, resolve, reject } = Promise.withResolvers<[IncomingMessage, Socket, Buffer]>();
  // Only a proxy needs these modules, and they load slowly.
  const client = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const request = client.request({
    host: hostOf(url),
    port: portOf(url),
    method: 'CONNECT',
    path: authority,
    // The default would be the target's name, from the `host` header below.
    servername: isIP(hostOf(url)) ? '' : hostOf(url),
    // Use a new connection, and do not keep it for later requests.
    agent: false,
    headers: { host: authority, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
    signal,
  });
  request.once('connect', (...answer: [IncomingMessage, Socket, Buffer]) => resolve(answer));
  request.once('error', (error) =>
    reject(signal.aborted ? (signal.reason as Error) : unreachableProxy(proxy, authority, error)),
  );
  request.once('close', () => reject(unreachableProxy(proxy, authority, undefined)));
  request.end();
  const [response, socket, head] = await promise;
  const { statusCode: status = 0, statusMessage: phrase = '', headers } = response;
  if (status < 200 || status > 299) {
    const body = await readRefusal(response, socket, head);
    const header = (name: string) => [headers[name] ?? []].flat()[0];
    throw proxyRefusal(proxy, authority, { status, phrase, header, body });
  }
  if (head.length > 0) socket.unshift(head);
  return socket;
}

/** Waits until a TLS handshake has ended. */
async function secured<S extends Socket>(tunnel: Socket, signal: AbortSignal, start: () => S): Promise<S> {
  const { promise, resolve, reject } = Promise.withResolvers<S>();
  const socket = start();
  const abort = () => socket.destroy(signal.reason as Error);
  socket.once('secureConnect', () => resolve(socket));
  socket.once('error', reject);
  socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  tunnel.once('error', reject);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await promise;
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    tunnel.on('error', () => undefined).destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

const bodyLimit = 16 * 1024;
/** The time limit for reading the body of a refusal, in milliseconds. The status line is the most important part. */
const bodyMs = 2_000;

/** Reads the body of a proxy's refusal, as far as it arrives in time. */
async function readRefusal(response: IncomingMessage, socket: Socket, head: Buffer): Promise<string> {
  const expected = Math.min(Number(response.headers['content-length'] ?? bodyLimit), bodyLimit);
  const chunks = [head];
  let length = head.length;
  const timer = setTimeout(() => socket.destroy(), bodyMs);
  try {
    if (length < expected) {
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= expected) break;
      }
    }
  } catch {
    // Report the part that arrived.
  } finally {
    clearTimeout(timer);
    socket.on('error', () => undefined).destroy();
  }
  const text = Buffer.concat(chunks).toString();
  // Remove the chunk sizes of the transfer encoding, which nothing has decoded here.
  return response.headers['transfer-encoding'] === undefined
    ? text
    : text.replaceAll(/(?:^|\r\n)[\da-f]{1,8}\r\n/gi, '');
}
