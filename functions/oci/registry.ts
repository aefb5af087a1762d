import { retry, type RetryOptions } from '../http/retry.ts';
import type { Request, Response, Transport } from '../http/transport.ts';
import { Authorizer, type Scope } from './auth/authorizer.ts';
import type { CredentialProvider } from './auth/credentials.ts';
import { type Profile, profileOf } from './profile.ts';
import { isLoopback } from './reference.ts';
import { connectionFailureOf, failureOf, type Purpose, RegistryFailure } from './registry-failure.ts';

export interface RegistryOptions {
  /** `host[:port]`, as in image names. */
  registry: string;
  transport: Transport;
  credentials: CredentialProvider;
  /** Speak plain HTTP although the registry is not on this machine. */
  insecure?: boolean;
  trustedTokenHosts?: readonly string[];
  retry?: Partial<RetryPolicy>;
}

export type RetryPolicy = Pick<RetryOptions, 'attempts' | 'baseMs' | 'maxMs'>;

const defaultRetry: RetryPolicy = { attempts: 5, baseMs: 500, maxMs: 20_000 };

export interface RegistryRequest extends Purpose {
  method: Request['method'];
  /** A path below `/v2/`, or an absolute address that the registry gave (an upload session). */
  target: string | URL;
  scopes: readonly Scope[];
  /** Statuses that are answers; every other one is thrown as `RegistryFailure`. */
  expect: readonly number[];
  headers?: Record<string, string>;
  /** A stream can be sent once only: such a request is never repeated here. */
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  headersTimeoutMs?: number;
  signal?: AbortSignal | undefined;
}

const maxRedirects = 5;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** One registry: sends requests with authentication, redirects and retries. The verbs stand in files of their own. */
export class Registry {
  readonly name: string;
  readonly profile: Profile;
  readonly retryPolicy: RetryPolicy;
  readonly #origin: URL;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;

  constructor(options: RegistryOptions) {
    this.name = options.registry;
    this.profile = profileOf(options.registry);
    this.retryPolicy = { ...defaultRetry, ...options.retry };
    const scheme = isLoopback(options.registry) || options.insecure ? 'http' : 'https';
    this.#origin = new URL(`${scheme}://${this.profile.apiHost ?? options.registry}`);
    this.#transport = options.transport;
    this.#authorizer = new Authorizer({
      registry: this.profile.apiHost ?? options.registry,
      origin: this.#origin,
      provider: options.credentials,
      transport: options.transport,
      trustedTokenHosts: options.trustedTokenHosts ?? [],
    });
  }

  /** Resolves a `Location` that this registry sent in answer to `target`. */
  resolve(location: string, target: string | URL): URL {
    return new URL(location, this.#url(target));
  }

  /** Sends a request, again where that is safe and promising. Throws `RegistryFailure`. */
  async request(request: RegistryRequest): Promise<Response> {
    const once = isStream(request.body);
    return retry(() => this.#authorized(request), {
      ...this.retryPolicy,
      ...(once && { attempts: 1 }),
      signal: request.signal,
      judge: (error) =>
        error instanceof RegistryFailure && error.transient
          ? { retry: true, afterMs: error.retryAfterMs }
          : { retry: false },
    });
  }

  async #authorized(request: RegistryRequest): Promise<Response> {
    const url = this.#url(request.target);
    // Credentials are for the registry alone, not for a storage host that an upload session may live on.
    const ours = url.origin === this.#origin.origin;
    const sent = ours ? await this.#authorizer.header(request.scopes, request.signal) : undefined;
    const response = await this.#follow(request, url, sent);
    if (response.status !== 401 || !ours || request.expect.includes(401)) return this.#accept(request, response);
    const again = await this.#authorizer.learn(response.header('www-authenticate'), request.scopes, sent);
    if (!again || isStream(request.body)) return this.#accept(request, response);
    await response.body.dump();
    const header = await this.#authorizer.header(request.scopes, request.signal);
    return this.#accept(request, await this.#follow(request, url, header));
  }

  async #accept(request: RegistryRequest, response: Response): Promise<Response> {
    if (request.expect.includes(response.status)) return response;
    throw await failureOf(this.name, request, response);
  }

  /**
   * Follows redirects by hand: a blob usually lies at a storage host, which must not see our credentials
   * (distribution-spec: clients MUST NOT forward Authorization across hosts).
   */
  async #follow(request: RegistryRequest, from: URL, authorization: string | undefined): Promise<Response> {
    let url = from;
    for (let hop = 0; ; hop++) {
      const headers = { ...request.headers };
      if (authorization !== undefined && url.origin === from.origin) headers['authorization'] = authorization;
      const response = await this.#send(request, url, headers);
      const location = response.header('location');
      const follows = request.method === 'GET' || request.method === 'HEAD';
      if (!follows || location === undefined || !redirectStatuses.has(response.status)) return response;
      await response.body.dump();
      url = this.#checkRedirect(request, new URL(location, url), hop);
    }
  }

  #checkRedirect(request: RegistryRequest, to: URL, hop: number): URL {
    const secure = to.protocol === 'https:' || (to.protocol === 'http:' && this.#origin.protocol === 'http:');
    if (secure && hop < maxRedirects) return to;
    const what = secure ? `more than ${maxRedirects} redirects` : `a redirect to ${to.protocol}//${to.host}`;
    throw new RegistryFailure(
      'RegistryFailed',
      `could not ${request.doing} ${this.name}/${request.repository}: ${what}`,
      {
        hint: 'The registry, or something on the way to it, sends us somewhere it should not.',
        status: 0,
        transient: false,
      },
    );
  }

  async #send(request: RegistryRequest, url: URL, headers: Record<string, string>): Promise<Response> {
    try {
      return await this.#transport.request({
        method: request.method,
        url,
        headers,
        body: request.body,
        ...(request.headersTimeoutMs !== undefined && { headersTimeoutMs: request.headersTimeoutMs }),
        signal: request.signal,
      });
    } catch (error) {
      throw connectionFailureOf(this.name, request, url, error);
    }
  }

  #url(target: string | URL): URL {
    return typeof target === 'string' ? new URL(`/v2/${target}`, this.#origin) : target;
  }
}

function isStream(body: RegistryRequest['body']): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}
