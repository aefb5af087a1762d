import { lookup } from 'node:dns/promises';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';
import { mayReach, outermost, type Reach, reachOfAddress, reachOfHost } from './address-policy.ts';
import { secureContextOf } from './certificates.ts';
import { hostOf, matchesHost } from './host-patterns.ts';
import { NetworkError } from './network-error.ts';
import { type Proxy, proxyFor } from './proxy.ts';
import { type Dispatcher, Pool, ProxyAgent } from './undici.ts';

export interface TransportOptions {
  connectionsPerOrigin?: number;
  /** From the start of a connection to its end, TLS included, in milliseconds. */
  connectMs?: number;
  /** From the end of a request to the first byte of the answer, in milliseconds. */
  headersMs?: number;
  /** The longest silence inside a body, in milliseconds. */
  bodyIdleMs?: number;
  /** A folder laid out as Docker's `certs.d`; read when a host is first connected to. */
  registryCerts?: string | undefined;
  /** Hosts, as `NO_PROXY` lists them, that a registry may send us to wherever they are. */
  trustedPrivateHosts?: readonly string[];
  /** Where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are read. Default: of this process. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** Default: the system's resolver. */
  resolve?: (host: string, options: LookupOptions) => Promise<LookupAddress[]>;
}

/** The connections are those of three lanes (`limits.ts`), so that no request ever waits for one. */
const defaults = { connectionsPerOrigin: 64, connectMs: 10_000, headersMs: 60_000, bodyIdleMs: 30_000 };

export interface Request {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers?: Record<string, string>;
  body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
  /** Overrides `headersMs`, in milliseconds: a registry may hash a large blob before it answers. */
  headersTimeoutMs?: number;
  /** On whose word we go there. One of another origin may not send us to an address nearer to us than its own. */
  sentBy?: URL;
  signal?: AbortSignal | undefined;
}

export interface Response {
  status: number;
  /** By lower-case name. Of a header that was sent several times: all, joined, where it is a list; else the first. */
  header(name: string): string | undefined;
  /** Must be read or dumped, else its connection stays busy. */
  body: Dispatcher.ResponseData['body'];
}

/**
 * The one way to the network. Follows no redirect and retries nothing: both are decisions of the protocol above.
 * Everything that knows undici is in this file.
 */
export class Transport {
  readonly #options: TransportOptions & typeof defaults;
  /** By origin, and by how near it may be: a connection that one sender may use is not for every other. */
  readonly #dispatchers = new Map<string, Dispatcher>();
  /** The most public that each name was ever seen, so that none becomes private by changing its addresses. */
  readonly #reaches = new Map<string, Reach>();

  constructor(options: TransportOptions = {}) {
    this.#options = { ...defaults, ...options };
  }

  /** Throws `NetworkError`, and undici's errors, for both of which there is `networkFailure`. */
  async request(request: Request): Promise<Response> {
    const { url, headersTimeoutMs, signal } = request;
    const options: Dispatcher.RequestOptions = {
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: { 'user-agent': userAgent, ...request.headers },
      // undici takes any async iterable; its types know streams only.
      body: (request.body ?? null) as Readable | null,
      headersTimeout: headersTimeoutMs ?? this.#options.headersMs,
      bodyTimeout: this.#options.bodyIdleMs,
    };
    if (signal) options.signal = signal;
    const sender = await this.#sender(request);
    const host = hostOf(url);
    // What is an address already is not looked up.
    if (isIP(host)) allowed([{ address: host, family: isIP(host) }], sender);
    // undici frees a connection a turn after its answer has ended; what follows at once would open another.
    await setImmediate();
    const { statusCode, headers, body } = await this.#dispatcher(url, sender).request(options).catch(explainProxy);
    return {
      status: statusCode,
      header: (name) => {
        const value = headers[name];
        if (!Array.isArray(value)) return value;
        return listHeaders.has(name) ? value.join(', ') : value[0];
      },
      body,
    };
  }

  /** Ends idle connections at once and busy ones when their request is done. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.close()));
  }

  /** Cuts every connection. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  /** How near the target of a request may be. What the user has named may be anywhere. */
  async #sender({ url, sentBy }: Request): Promise<Reach> {
    if (!sentBy || sentBy.origin === url.origin || matchesHost(url, this.#options.trustedPrivateHosts ?? [])) {
      return 'loopback';
    }
    const host = hostOf(sentBy);
    if (isIP(host)) return reachOfHost([host]);
    // A proxy alone knows who that is.
    if (this.#proxy(sentBy)) return 'public';
    // Usually known from the connection on which we were sent here.
    if (!this.#reaches.has(host)) await this.#resolve(host, {});
    return this.#reaches.get(host) ?? 'public';
  }

  #dispatcher(url: URL, sender: Reach): Dispatcher {
    const key = `${sender} ${url.origin}`;
    let dispatcher = this.#dispatchers.get(key);
    if (!dispatcher) this.#dispatchers.set(key, (dispatcher = this.#connect(url, sender)));
    return dispatcher;
  }

  #connect(url: URL, sender: Reach): Dispatcher {
    const { connectionsPerOrigin, connectMs, registryCerts } = this.#options;
    const proxy = this.#proxy(url);
    const secure = url.protocol === 'https:' && registryCerts !== undefined;
    const secureContext = secure ? secureContextOf(registryCerts, url.host) : undefined;
    const tls = { timeout: connectMs, ...(secureContext && { secureContext }) };
    const options = {
      connections: connectionsPerOrigin,
      // One request per connection at a time: a large blob must not hold up what is queued behind it.
      pipelining: 1,
      // Uploads are streams whose length is declared; a mismatch must fail rather than warn.
      strictContentLength: true,
    };
    if (!proxy) return new Pool(url.origin, { ...options, connect: { ...tls, lookup: this.#lookup(sender) } });
    return new ProxyAgent({
      ...options,
      uri: proxy.url.href,
      ...(proxy.authorization !== undefined && { token: proxy.authorization }),
      // As Docker does: a tunnel for TLS only, because proxies rarely allow one to other ports than 443.
      proxyTunnel: url.protocol === 'https:',
      proxyTls: { timeout: connectMs },
      requestTls: tls,
      clientFactory: (origin, more) => new Pool(origin, { ...more, headersTimeout: connectMs }),
    });
  }

  #proxy(url: URL): Proxy | undefined {
    return proxyFor(url, this.#options.environment ?? process.env);
  }

  /** Checks the very addresses that are then connected to: a name could have others a moment later (DNS rebinding). */
  #lookup(sender: Reach): LookupFunction {
    const answer = async (host: string, options: LookupOptions): Promise<Parameters<LookupCallback>> => {
      try {
        const addresses = allowed(await this.#resolve(host, options), sender);
        return options.all ? [null, addresses] : [null, addresses[0].address, addresses[0].family];
      } catch (error) {
        return [error as NodeJS.ErrnoException, []];
      }
    };
    return async (host, options, callback) => callback(...(await answer(host, options)));
  }

  async #resolve(host: string, options: LookupOptions): Promise<LookupAddress[]> {
    const all = { ...options, all: true } as const;
    const found = await (this.#options.resolve?.(host, all) ?? lookup(host, all));
    const reach = reachOfHost(found.map(({ address }) => address));
    this.#reaches.set(host, outermost([reach, this.#reaches.get(host) ?? reach]));
    return found;
  }
}

/** The addresses that `sender` may send us to. Throws `NetworkError` when there is none among them. */
function allowed(found: readonly LookupAddress[], sender: Reach): [LookupAddress, ...LookupAddress[]] {
  const [first, ...more] = found.filter(({ address }) => mayReach(address, sender));
  if (first) return [first, ...more];
  const refused = found.map(({ address }) => address);
  const everRefused = refused.every((address) => reachOfAddress(address) === undefined);
  throw new NetworkError(
    'ERR_ADDRESS_REFUSED',
    everRefused
      ? {
          text: `${refused.join(', ')} is no address of a registry`,
          hint: 'Metadata services, multicast and hidden IPv4 addresses are never connected to.',
        }
      : {
          text: `we must not be sent to ${refused.join(', ')} by a registry at a ${sender} address`,
          hint: 'A registry must not send us deeper into a network than it is itself. If that is meant, list the host in TRUSTED_PRIVATE_HOSTS.',
        },
  );
}

/** undici has no class of its own for a proxy's refusal. */
function explainProxy(error: unknown): never {
  const refusal = isNativeError(error) && /^Proxy (?:response|Authentication Required) \((\d+)\)/.exec(error.message);
  if (!refusal) throw error;
  throw new NetworkError('ERR_PROXY_REFUSED', {
    text: `the proxy refused, with HTTP ${refusal[1]}`,
    hint: 'Check HTTPS_PROXY or HTTP_PROXY with its credentials, and what the proxy allows; or list the host in NO_PROXY.',
  });
}

type LookupCallback = Parameters<LookupFunction>[2];

const userAgent = 'harness-ci-image-factory';

/** Headers whose repetition means one list (RFC 9110, 5.3): a registry may offer Basic and Bearer in two lines. */
const listHeaders: ReadonlySet<string> = new Set(['www-authenticate', 'link']);

/** Reads a body whose size nobody vouches for. Throws `RangeError` once it exceeds `limit` bytes. */
export async function readBody(response: Response, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    length += chunk.length;
    // Leaving the loop destroys the body, and with it the connection.
    if (length > limit) throw new RangeError(`the answer is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
