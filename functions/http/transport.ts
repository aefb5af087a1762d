import { getDefaultHighWaterMark, type Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { linkedAbort } from '../async/linked-abort.ts';
import { AddressGuard, type AddressGuardOptions } from './address-guard.ts';
import type { Reach } from './address-policy.ts';
import { bodyChunks } from './body-chunks.ts';
import { secureContextOf } from './certificates.ts';
import { NetworkError, noHeaders, slowBody } from './network-error.ts';
import { release } from './release.ts';
import { displayProxy, portOf, type Proxy, proxyFor } from './proxy.ts';
import { forwardingFailure, isProxysOwn, proxyRefusal, throughProxy } from './proxy-failure.ts';
import { tunnelConnector } from './tunnel.ts';
import { type Dispatcher, Pool } from 'undici';

export interface TransportOptions extends Omit<AddressGuardOptions, 'isProxied'> {
  connectionsPerOrigin?: number;
  /** The time limit of establishing a connection, including TLS, in milliseconds. A tunnel has twice this time. */
  connectMs?: number;
  /** The time from a request to the end of the response's headers, interim responses included, in milliseconds. */
  headersMs?: number;
  /**
   * The maximum time between two chunks of a body, in milliseconds. A document must be complete within four times this
   * time after its headers. A blob must deliver `leastBytesPerSecond` in each wait of twice this time.
   */
  bodyIdleMs?: number;
  /** A folder laid out as Docker's `certs.d`, read at the first connection to a host. */
  registryCerts?: string | undefined;
  /** The environment with `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. Default: the environment of this process. */
  environment?: Readonly<Record<string, string | undefined>>;
}

/** No request waits for a connection: `host-limits.ts` allows fewer than `connectionsPerOrigin`. */
const defaults = { connectionsPerOrigin: 64, connectMs: 10_000, headersMs: 60_000, bodyIdleMs: 30_000 };

/** The minimum speed of a blob; a slower one is resumed. Sixteen at once need a fourth of a 512 kbit/s link. */
const leastBytesPerSecond = 1024;

export interface Request {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers?: Record<string, string>;
  /**
   * Bytes must not change before the response ends; afterwards they are no longer read. Large chunks of a stream are
   * freed when they are sent.
   */
  body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
  /** Overrides `headersMs`, in milliseconds. A registry may hash a large blob before it responds. */
  headersTimeoutMs?: number;
  /** The origin that referred us to `url`. It must not refer us to an address more private than its own. */
  sentBy?: URL;
  signal?: AbortSignal | undefined;
}

export interface Response {
  status: number;
  /** Returns a header by its lower-case name. Joins repeated list headers; returns the first of any other. */
  header(name: string): string | undefined;
  /** Must be read or dumped. Otherwise the connection stays busy until the time limit of a document. */
  body: Dispatcher.ResponseData['body'];
  /** Yields the body of a blob, which has a minimum speed instead of a time limit. Call it immediately. */
  chunks(): AsyncGenerator<Uint8Array, void, undefined>;
  /** The proxy that forwarded the response over plain HTTP, and may have generated it. */
  forwardedBy?: string;
}

/** Sends all requests. Follows no redirects and retries nothing. Only this file depends on undici. */
export class Transport {
  readonly #options: TransportOptions & typeof defaults;
  /** By origin and permitted network: a connection that one sender may use is not open to every other. */
  readonly #dispatchers = new Map<string, Dispatcher>();
  readonly #destroyed = new AbortController();
  readonly #guard: AddressGuard;

  constructor(options: TransportOptions = {}) {
    this.#options = { ...defaults, ...options };
    const { trustedPrivateHosts, resolve } = options;
    this.#guard = new AddressGuard({
      trustedPrivateHosts,
      resolve,
      isProxied: (url) => this.#proxy(url) !== undefined,
    });
  }

  /** Sends a request. Throws `NetworkError` and undici's errors; `networkFailure` describes both. */
  async request(request: Request): Promise<Response> {
    const { url, signal } = request;
    const sender = await this.#guard.admit(request);
    const proxy = this.#proxy(url);
    // Like Docker, use a tunnel for TLS only. Proxies rarely allow tunnels to ports other than 443.
    const forwarding = url.protocol === 'http:' ? proxy : undefined;
    const dispatcher = this.#dispatcher(url, sender, proxy);
    const headersMs = request.headersTimeoutMs ?? this.#options.headersMs;
    const late = linkedAbort(signal);
    const giveUp = () => late.abort(new NetworkError('UND_ERR_HEADERS_TIMEOUT', noHeaders));
    // undici restarts its own limit at each interim response. This limit does not restart.
    const limit = new TimeLimit(giveUp);
    const start = () => limit.start(headersMs);
    const { body = null } = request;
    const streams = body !== null && typeof body === 'object' && Symbol.asyncIterator in body;
    const isLarge = body instanceof Uint8Array && body.length >= socketBuffer;
    const options: Dispatcher.RequestOptions = {
      origin: url.origin,
      path: `${forwarding ? url.origin : ''}${url.pathname}${url.search}`,
      method: request.method,
      headers: {
        'user-agent': userAgent,
        ...(isLarge && { 'content-length': String(body.length) }),
        ...(forwarding && forwardingHeaders(url, forwarding)),
        ...request.headers,
      },
      // undici accepts any async iterable, but its types accept only streams.
      body: (streams ? sending(body, start) : isLarge ? inPieces(body, start) : ownCopy(body)) as Readable | null,
      headersTimeout: headersMs,
      bodyTimeout: this.#options.bodyIdleMs,
      // undici would close the connection after each HEAD, for servers that respond to it with a body. The next request
      // would wait for another handshake.
      ...(request.method === 'HEAD' && { reset: false }),
      onInfo: () => !streams && start(),
      signal: late.signal,
    };
    // undici frees a connection one turn after the response ends. An immediate request would open another connection.
    await setImmediate();
    try {
      const { statusCode: status, statusText: phrase, headers, body: content } = await dispatcher.request(options);
      content.once('close', () => late[Symbol.dispose]());
      const header = (name: string) => {
        const value = headers[name];
        if (!Array.isArray(value)) return value;
        return listHeaders.has(name) ? value.join(', ') : value[0];
      };
      const response: Response = { status, header, body: content, chunks: this.#inTime(content) };
      if (!forwarding) return response;
      if (isProxysOwn(status, header)) {
        const refusal = { status, phrase, header, body: (await readStart(response, proxyBodyLimit)).toString() };
        throw proxyRefusal(forwarding, authorityOf(url), refusal);
      }
      return { ...response, forwardedBy: displayProxy(forwarding) };
    } catch (error) {
      late[Symbol.dispose]();
      if (signal?.aborted) throw error;
      if (forwarding) throw forwardingFailure(forwarding, authorityOf(url), error);
      throw proxy ? throughProxy(proxy, error) : error;
    } finally {
      limit.end();
    }
  }

  /** Limits the time of a body. The limit of a document applies until the caller asks for chunks. */
  #inTime(body: Dispatcher.ResponseData['body']): Response['chunks'] {
    const { bodyIdleMs } = this.#options;
    const limitMs = 4 * bodyIdleMs;
    const text = `the response was not complete within ${limitMs / 1000} s`;
    const limit = new TimeLimit(() => body.destroy(new NetworkError('UND_ERR_BODY_TIMEOUT', { text, ...slowBody })));
    limit.start(limitMs);
    // Readers receive the error themselves. Without a reader it must not end the process.
    body.on('error', () => undefined).once('close', () => limit.end());
    return () => {
      limit.end();
      return bodyChunks(body, { windowMs: 2 * bodyIdleMs, leastBytesPerSecond });
    };
  }

  /** Closes idle connections immediately and busy ones after their request. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.close()));
  }

  /** Closes every connection immediately. */
  async destroy(): Promise<void> {
    this.#destroyed.abort(new NetworkError('UND_ERR_DESTROYED', destroyed));
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  #dispatcher(url: URL, sender: Reach, proxy: Proxy | undefined): Dispatcher {
    const key = `${sender} ${url.origin}`;
    let dispatcher = this.#dispatchers.get(key);
    if (!dispatcher) this.#dispatchers.set(key, (dispatcher = this.#connect(url, sender, proxy)));
    return dispatcher;
  }

  #connect(url: URL, sender: Reach, proxy: Proxy | undefined): Dispatcher {
    const { connectionsPerOrigin, connectMs, registryCerts } = this.#options;
    const isSecure = url.protocol === 'https:';
    // Node.js would create another context for each connection.
    const secureContext = isSecure
      ? ((registryCerts === undefined ? undefined : secureContextOf(registryCerts, url.host)) ?? createSecureContext())
      : undefined;
    const options = {
      connections: connectionsPerOrigin,
      // One request per connection at a time, so that a large blob does not block queued requests.
      pipelining: 1,
      // Uploads declare the length of their streams. A mismatch must fail, not warn.
      strictContentLength: true,
    };
    if (!proxy) {
      const connect = {
        timeout: connectMs,
        lookup: this.#guard.lookup(sender),
        ...(secureContext && { secureContext }),
      };
      return new Pool(url.origin, { ...options, connect });
    }
    if (!isSecure) return new Pool(proxy.url.origin, { ...options, connect: { timeout: connectMs } });
    const timeoutMs = 2 * connectMs;
    const connect = tunnelConnector({ proxy, timeoutMs, secureContext, signal: this.#destroyed.signal });
    return new Pool(url.origin, { ...options, connect });
  }

  #proxy(url: URL): Proxy | undefined {
    return proxyFor(url, this.#options.environment ?? process.env);
  }
}

/** A time limit that does not keep the process alive. */
class TimeLimit {
  readonly #end: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(end: () => void) {
    this.#end = end;
  }

  start(ms: number): void {
    this.#timer ??= setTimeout(this.#end, ms).unref();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** Passes a body to undici, frees each large chunk when it is sent (see `release`), and calls `then` at the end. */
async function* sending(
  chunks: AsyncIterable<Uint8Array>,
  then: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    yield chunk;
    // A socket buffers a smaller chunk. After a larger one, undici waits until the socket has sent everything.
    if (chunk.length >= socketBuffer) release(chunk);
  }
  then();
}

/** Maximum size of one write to a socket, in bytes. TLS keeps an encrypted copy of each write. */
const largestWrite = 128 * 1024;

/**
 * Passes a large body to undici in pieces. Calls `start` first: the time limit includes the sending.
 *
 * The caller may free the body after the response. undici waits until a socket has sent a piece, and closes a connection whose
 * response ends before that. It does not wait for a last piece that fits in the buffer of the socket, so that one is a copy.
 */
async function* inPieces(body: Uint8Array, start: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  start();
  for (let at = 0; at < body.length; at += largestWrite) {
    const piece = body.subarray(at, at + largestWrite);
    yield piece.length < socketBuffer ? ownCopy(piece) : piece;
  }
}

/** Copies bytes: a socket may keep them after the response. */
function ownCopy<Body>(body: Body): Body | Buffer {
  return body instanceof Uint8Array ? Buffer.from(body) : body;
}

/** The bytes that a socket buffers before it makes its writer wait. */
const socketBuffer = getDefaultHighWaterMark(false);

/** Returns the headers of a request that a proxy forwards (RFC 9112, 3.2.2). */
function forwardingHeaders(url: URL, { authorization }: Proxy): Record<string, string> {
  return { host: url.host, ...(authorization !== undefined && { 'proxy-authorization': authorization }) };
}

const destroyed = { text: 'the run has ended', hint: 'Start it again.' };

/** Names this client to servers. */
export const userAgent = 'harness-ci-image-factory';

/** Headers that form one list when repeated (RFC 9110, 5.3). A registry may offer Basic and Bearer in two lines. */
const listHeaders: ReadonlySet<string> = new Set(['www-authenticate', 'link']);

/** The number of bytes that are read of a proxy's own response. */
const proxyBodyLimit = 16 * 1024;

/** Reads the first `limit` bytes of a body and discards the rest. */
export async function readStart({ body }: Response, limit: number): Promise<Buffer> {
  return (await readUpTo(body, limit)).subarray(0, limit);
}

/** Reads a body of unknown size. Throws `RangeError` if it exceeds `limit` bytes. */
export async function readBody({ body }: Response, limit: number): Promise<Buffer> {
  const read = await readUpTo(body, limit + 1);
  if (read.length > limit) throw new RangeError(`the response is larger than ${limit} bytes`);
  return read;
}

/** Reads chunks until there are `bytes` bytes or more. */
async function readUpTo(body: Response['body'], bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    // Leaving the loop destroys the body and its connection.
    if (length >= bytes) break;
  }
  return Buffer.concat(chunks, length);
}

function authorityOf(url: URL): string {
  return `${url.hostname}:${portOf(url)}`;
}
