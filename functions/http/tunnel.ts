import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { hostOf } from './host-patterns.ts';
import { NetworkError, networkFailure } from './network-error.ts';
import type { Proxy } from './proxy.ts';

export interface TunnelOptions {
  proxy: Proxy;
  /** From the connection to the proxy until the end of the TLS handshake with the target, in milliseconds. */
  timeoutMs: number;
  /** Settings for TLS with the target. */
  secureContext?: SecureContext | undefined;
  /** Ends attempts that are under way. */
  signal: AbortSignal;
}

/** Where a tunnel leads, in the words of undici's connectors. */
interface Target {
  hostname: string;
  port: string;
  servername?: string | undefined;
}

type Connected = (...outcome: [null, Socket] | [Error, null]) => void;

/**
 * Returns a connector for undici's `Pool` that speaks TLS through a tunnel (RFC 9110, 9.3.6). One call makes one
 * connection: it fails when the proxy or the target closes it, or when the time limit has passed.
 */
export function tunnelConnector({ proxy, timeoutMs, secureContext, signal }: TunnelOptions) {
  let session: Buffer | undefined;

  return (target: Target, connected: Connected): void => {
    // undici connects again, at once and without end, when a connector fails with its own code for a closed socket.
    connect(target).then(
      (socket) => connected(null, socket),
      (error: Error) => connected(error, null),
    );
  };

  async function connect({ hostname, port, servername }: Target): Promise<Socket> {
    const host = hostname.includes(':') ? `[${hostname}]` : hostname;
    const authority = `${host}:${port || '443'}`;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(tooSlow(proxy, authority, timeoutMs)), timeoutMs);
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

/** Asks the proxy for a tunnel to `authority` (`host:port`). Throws `NetworkError`, which names the proxy. */
async function openTunnel(proxy: Proxy, authority: string, signal: AbortSignal): Promise<Socket> {
  const { url, authorization } = proxy;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const request = (url.protocol === 'https:' ? secureRequest : plainRequest)({
    host: hostOf(url),
    port: url.port || (url.protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: authority,
    // Else the name of the target would be taken, from the header below.
    servername: isIP(hostOf(url)) ? '' : hostOf(url),
    // A connection of its own: none is kept for later requests.
    agent: false,
    headers: { host: authority, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
    signal,
  });
  request.once('connect', ({ statusCode = 0 }, socket: Socket, head: Buffer) => {
    if (statusCode < 200 || statusCode > 299) {
      socket.on('error', () => undefined).destroy();
      reject(proxyRefusal(proxy, statusCode));
      return;
    }
    if (head.length > 0) socket.unshift(head);
    resolve(socket);
  });
  request.once('error', (error) => reject(signal.aborted ? (signal.reason as Error) : unreachableProxy(proxy, error)));
  request.once('close', () => reject(unreachableProxy(proxy, undefined)));
  request.end();
  return promise;
}

/** Waits for the end of a TLS handshake. */
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

/** Describes a proxy's refusal. */
export function proxyRefusal({ url }: Proxy, status: number): NetworkError {
  return new NetworkError('ERR_PROXY_REFUSED', {
    text: `the proxy ${url.host} refused, with HTTP ${status}`,
    hint: 'Check HTTPS_PROXY or HTTP_PROXY with its credentials, and what the proxy allows; or list the host in NO_PROXY.',
  });
}

function unreachableProxy({ url }: Proxy, error: unknown): NetworkError {
  const network = networkFailure(error);
  const closed = network === undefined || network.code === 'ECONNRESET' || network.code === 'EPIPE';
  return new NetworkError(closed ? 'ERR_PROXY_CLOSED' : network.code, {
    text: closed ? `the proxy ${url.host} closed the connection` : `the proxy ${url.host}: ${network.text}`,
    hint: 'Check the address in HTTPS_PROXY or HTTP_PROXY, and that the proxy runs; or list the host in NO_PROXY.',
    transient: network?.transient ?? true,
  });
}

function tooSlow({ url }: Proxy, authority: string, timeoutMs: number): NetworkError {
  return new NetworkError('ERR_PROXY_TIMEOUT', {
    text: `the proxy ${url.host} opened no connection to ${authority} within ${timeoutMs / 1000} s`,
    hint: 'Check that the proxy runs and allows the host, or list the host in NO_PROXY.',
    transient: true,
  });
}
