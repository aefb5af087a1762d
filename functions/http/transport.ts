import type { Readable } from 'node:stream';
import { Agent, type Dispatcher } from 'undici';

/** Every time limit of the HTTP layer, in milliseconds. */
const timeouts = {
  connect: 10_000,
  /** From the end of the request to the first byte of the answer. */
  headers: 60_000,
  /** The longest silence inside a body. */
  bodyIdle: 30_000,
};

export interface Request {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers?: Record<string, string>;
  body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
  /** Overrides `timeouts.headers`, in milliseconds: a registry may hash a large blob before it answers. */
  headersTimeoutMs?: number;
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
  readonly #agent: Agent;

  constructor(options: { connectionsPerOrigin?: number } = {}) {
    this.#agent = new Agent({
      connections: options.connectionsPerOrigin ?? 16,
      // One request per connection at a time: a large blob must not hold up what is queued behind it.
      pipelining: 1,
      connect: { timeout: timeouts.connect },
      headersTimeout: timeouts.headers,
      bodyTimeout: timeouts.bodyIdle,
      // Uploads are streams whose length is declared; a mismatch must fail rather than warn.
      strictContentLength: true,
    });
  }

  async request(request: Request): Promise<Response> {
    const options: Dispatcher.RequestOptions = {
      origin: request.url.origin,
      path: request.url.pathname + request.url.search,
      method: request.method,
      headers: { 'user-agent': userAgent, ...request.headers },
      // undici takes any async iterable; its types know streams only.
      body: (request.body ?? null) as Readable | null,
    };
    if (request.headersTimeoutMs !== undefined) options.headersTimeout = request.headersTimeoutMs;
    if (request.signal) options.signal = request.signal;
    const { statusCode, headers, body } = await this.#agent.request(options);
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
    await this.#agent.close();
  }

  /** Cuts every connection. */
  async destroy(): Promise<void> {
    await this.#agent.destroy();
  }
}

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
