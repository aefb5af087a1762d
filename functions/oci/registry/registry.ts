import { isDeepStrictEqual } from 'node:util';
import type { ErrorName, FactoryError } from '../../errors.ts';
import { retry, type RetryOptions, type Verdict } from '../../http/retry.ts';
import { isLoopback } from '../../http/host-patterns.ts';
import { isPageType } from '../../http/reason-text.ts';
import { displayUrl } from '../../http/redact.ts';
import { readBody, type Request, type Response, type Transport } from '../../http/transport.ts';
import { waitFor } from '../../async/wait-for.ts';
import { Authorizer } from './auth/authorizer.ts';
import { Session } from './auth/session.ts';
import type { CredentialProvider } from './auth/credentials.ts';
import type { Scope } from './auth/scope.ts';
import { HostLimits, type Lane, type Slot } from './host-limits.ts';
import { Pace } from './pace.ts';
import { type Profile, profileOf } from './profile.ts';
import { PullLimit } from './pull-budget.ts';
import type { Purpose } from './purpose.ts';
import { connectionFailureOf, failureOf, RegistryFailure } from './registry-failure.ts';
import { printable } from '../../text/printable.ts';

export interface RegistryOptions {
  /** `host[:port]`, as in image names. */
  registry: string;
  transport: Transport;
  credentials: CredentialProvider;
  /** Use plain HTTP although the registry is not on this machine. */
  insecure?: boolean;
  trustedTokenHosts?: readonly string[];
  retry?: Partial<RetryPolicy>;
  /** Default: by the host's name. */
  profile?: Profile;
  /** Receives one message for each difference of the registry from its profile. */
  onNote?: ((message: string) => void) | undefined;
  /** Called before the pause of each retry. */
  onRetry?: ((retry: Retry) => void) | undefined;
}

/** A retry of a request. */
interface Retry {
  /** `HTTP 503`, or the lack of a response. */
  reason: string;
  /** The attempt after the pause, and the number of all attempts. */
  attempt: number;
  attempts: number;
  pauseMs: number;
}

export type RetryPolicy = Pick<RetryOptions, 'attempts' | 'baseMs' | 'maxMs'>;

const defaultRetry: RetryPolicy = { attempts: 5, baseMs: 500, maxMs: 20_000 };

export interface RegistryRequest extends Purpose {
  method: Request['method'];
  /** A path below `/v2/`, or an absolute URL that the registry gave (an upload session). */
  target: string | URL;
  scopes: readonly Scope[];
  /** Expected statuses. Any other is thrown as `RegistryFailure`. */
  expect: readonly number[];
  headers?: Record<string, string>;
  /** A stream can be sent only once, so the request is not retried. */
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  headersTimeoutMs?: number;
  /** Not retried without a response: the caller has an alternative. */
  isTrial?: boolean;
  signal?: AbortSignal | undefined;
}

export interface ReadLimit {
  bytes: number;
  /** Returns the error for a larger response. */
  exceeded: (cause: RangeError) => FactoryError;
}

/**
 * Maximum `Retry-After` that is respected, in milliseconds. A request fails if the registry requests a longer pause.
 */
export const longestPauseMs = 120_000;
const maxRedirects = 5;
/** Statuses that other credentials may cure. */
const refusals = new Set([401, 403]);
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** One registry. Sends requests with authentication, redirects and retries. */
export class Registry {
  readonly name: string;
  readonly retryPolicy: RetryPolicy;
  readonly limits = new HostLimits();
  readonly pulls = new PullLimit();
  readonly #origin: URL;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #onNote: RegistryOptions['onNote'];
  readonly #onRetry: RegistryOptions['onRetry'];
  #profile: Profile;
  #processes = 0;
  #pace: Pace | undefined;
  /** Challenge of the API root, requested once. */
  #rootChallenge: Promise<string | undefined> | undefined;

  constructor(options: RegistryOptions) {
    this.name = options.registry;
    this.#profile = options.profile ?? profileOf(options.registry);
    this.#onNote = options.onNote;
    this.#onRetry = options.onRetry;
    this.shareOf(1);
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
      onNote: options.onNote,
    });
  }

  get profile(): Profile {
    return this.#profile;
  }

  /** Divides the manifest rate limit of this registry between `processes` that push at the same time. */
  shareOf(processes: number): void {
    const { manifestsPerSecond } = this.#profile;
    if (manifestsPerSecond === undefined || processes === this.#processes) return;
    this.#processes = processes;
    this.#pace = new Pace(manifestsPerSecond / processes);
  }

  /** Waits until the rate limit permits another manifest. */
  async manifestTurn(signal?: AbortSignal): Promise<void> {
    await this.#pace?.turn(signal);
  }

  /** Corrects the profile for the rest of the run. Reports `note` if that changes anything. */
  adapt(change: Partial<Profile>, note?: string): void {
    const adapted = { ...this.#profile, ...change };
    if (isDeepStrictEqual(adapted, this.#profile)) return;
    this.#profile = adapted;
    if (note !== undefined) this.#onNote?.(note);
  }

  /** Resolves a `Location` or `Link`. Throws `RegistryFailure` for one less secure than the registry, or no URL. */
  resolve(location: string, target: string | URL): URL {
    const base = this.#url(target);
    const url = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
    const plain = this.#origin.protocol === 'http:';
    // Nexus behind a TLS proxy names itself by http (https://github.com/sonatype/nexus-public/issues/1059).
    if (url?.protocol === 'http:' && !plain && url.host === this.#origin.host) url.protocol = 'https:';
    if (url?.protocol === 'https:' || (url?.protocol === 'http:' && plain)) return url;
    const where = url ? printable(`${url.protocol}//${url.host}`) : 'an address that cannot be read';
    throw new RegistryFailure('RegistryFailed', `${this.name} returned an unusable location: ${where}`, {
      hint: `Check the external address in the settings of ${this.name}, and whether a captive portal or login page responded. Nothing was sent there.`,
      status: 0,
      transient: false,
    });
  }

  /**
   * Sends a request within the limits of the registry, with retries. The response to a GET keeps its slot until its
   * body is read or dumped. Throws `RegistryFailure`.
   */
  async request(request: RegistryRequest): Promise<Response> {
    const lane = isStream(request.body) ? 'upload' : request.method === 'GET' ? 'download' : 'request';
    return this.#repeat(request, lane, async (slot) => {
      const response = await this.#authorized(request);
      if (lane === 'download' && !response.body.closed) response.body.once('close', slot.leave);
      else slot.leave();
      return response;
    });
  }

  /** Like `request`, but reads the body. Retries also when the connection breaks while it is read. */
  async read(request: RegistryRequest, limit: ReadLimit): Promise<{ response: Response; bytes: Buffer }> {
    return this.#repeat(request, 'request', async (slot) => {
      const response = await this.#authorized(request);
      try {
        return { response, bytes: await readBody(response, limit.bytes) };
      } catch (error) {
        throw error instanceof RangeError ? limit.exceeded(error) : this.#broken(request, this.#origin, error);
      } finally {
        slot.leave();
      }
    });
  }

  async #repeat<T>(request: RegistryRequest, lane: Lane, attempt: (slot: Slot) => Promise<T>): Promise<T> {
    const once = isStream(request.body);
    try {
      return await retry(() => this.#inTurn(request, lane, attempt), {
        ...this.retryPolicy,
        ...(once && { attempts: 1 }),
        signal: request.signal,
        judge: (error) =>
          request.isTrial && error instanceof RegistryFailure && error.status === 0
            ? { retry: false }
            : judgeFailure(error),
        onRetry: (error, attempt, pauseMs) => {
          this.limits.retried();
          const { attempts } = this.retryPolicy;
          this.#onRetry?.({ reason: reasonOf(error), attempt: attempt + 1, attempts, pauseMs });
        },
      });
    } catch (error) {
      if (error instanceof RegistryFailure) {
        error.registry ??= this.name;
        if (!once) error.exhausted = true;
      }
      throw error;
    }
  }

  async #inTurn<T>(request: RegistryRequest, lane: Lane, attempt: (slot: Slot) => Promise<T>): Promise<T> {
    const slot = await this.limits.enter(lane, request.method, request.signal);
    try {
      const result = await attempt(slot);
      slot.succeeded();
      return result;
    } catch (error) {
      if (error instanceof RegistryFailure && error.status === 429) {
        const { retryAfterMs = 0 } = error;
        // After a longer one, requests are still sent: some may pass, such as HEADs at Docker Hub.
        slot.throttled(retryAfterMs <= longestPauseMs ? retryAfterMs : undefined);
      }
      slot.leave();
      throw error;
    }
  }

  async #authorized(request: RegistryRequest): Promise<Response> {
    const url = this.#url(request.target);
    // Credentials are for the registry alone, not for a storage host that an upload session may live on.
    const session = url.origin === this.#origin.origin ? new Session(this.#authorizer, request) : undefined;
    for (;;) {
      const sent = await session?.header();
      const answer = await this.#follow(request, url, sent);
      const { response } = answer;
      // Only the registry's own refusal counts: a storage host must not steer how we log in.
      if (!session || answer.host !== url.host) return this.#accept(request, answer);
      if (!refusals.has(response.status) || (response.status === 401 && request.expect.includes(401))) {
        session.accepted();
        return this.#accept(request, answer);
      }
      const verdict = await this.#retryRefused(request, answer, session);
      if (verdict === 'again') continue;
      if (verdict === undefined) return this.#accept(request, answer);
      throw verdict;
    }
  }

  /** Returns `again` to retry with other credentials, an error to throw, or `undefined` to use the response. */
  async #retryRefused(request: RegistryRequest, answer: Answer, session: Session): Promise<unknown> {
    const { response, authorization } = answer;
    const { status } = response;
    const challenge = await this.#challengeOf(response, request, authorization);
    // A stream is gone. Whoever sends all of it again does so with a new token.
    const once = isStream(request.body);
    if (once && status === 403) return undefined;
    let failure: RegistryFailure | undefined;
    const describe = async () => (failure ??= await failureOf(this.name, request, response, { authorization }));
    try {
      if (await session.refused({ status, challenge, failure: describe }, authorization)) {
        if (once) return failure;
        if (!failure) await response.body.dump();
        return 'again';
      }
    } catch (error) {
      await response.body.dump();
      throw error;
    }
    const first = session.end() ?? failure;
    // A refusal of every login may be an expected response.
    if (request.expect.includes(status) && !(first instanceof RegistryFailure && first.status !== status))
      return undefined;
    if (first !== undefined && !failure) await response.body.dump();
    return first;
  }

  /** Returns the challenge of a 401, or of the API root if there is none. */
  async #challengeOf(
    response: Response,
    request: RegistryRequest,
    sent: string | undefined,
  ): Promise<string | undefined> {
    const challenge = response.status === 401 ? response.header('www-authenticate') : undefined;
    if (challenge !== undefined || sent !== undefined) return challenge;
    // Google's registry refused anonymous clients without a challenge, and sent one at the root of the API
    // (https://github.com/containerd/containerd/issues/1318).
    this.#rootChallenge ??= this.#askRoot(request);
    return waitFor(this.#rootChallenge, request.signal);
  }

  /** Requests the root without the signal: others may wait for the same response. */
  async #askRoot({ doing, repository, writes }: RegistryRequest): Promise<string | undefined> {
    const root: RegistryRequest = { method: 'GET', target: '', scopes: [], expect: [], doing, repository, writes };
    try {
      const { response } = await this.#follow(root, this.#url(''), undefined);
      await response.body.dump();
      return response.status === 401 ? response.header('www-authenticate') : undefined;
    } catch {
      // The original refusal stands. The next one requests the root again.
      this.#rootChallenge = undefined;
      return undefined;
    }
  }

  async #accept(request: RegistryRequest, { response, host, authorization }: Answer): Promise<Response> {
    if (host === this.#origin.host) this.#observe(response);
    const isPage =
      isPageType(response.header('content-type')) && response.header('docker-content-digest') === undefined;
    if (request.expect.includes(response.status) && !(isPage && isContent(response))) return response;
    const isRedirected = host !== this.#url(request.target).host;
    const storage = isRedirected && !isPage;
    const party = storage ? `its storage host ${host}` : host === this.#origin.host ? undefined : host;
    const failure = await failureOf(this.name, request, response, { party, authorization });
    if (isPage) throw failure;
    throw storage ? storageRefusal(failure, host) : await this.#withheld(failure, request, host);
  }

  /** Adds that credentials were withheld, if that may be the reason. */
  async #withheld(failure: RegistryFailure, request: RegistryRequest, host: string): Promise<RegistryFailure> {
    if (!mayNeedCredentials.has(failure.name)) return failure;
    if (host !== this.#origin.host) {
      return failure.because(`the credentials of ${this.name} are not sent to ${host}`, {
        hint: `Correct the external address in the settings of ${this.name}: it redirects to ${host}.`,
      });
    }
    const withheldFrom = await this.#authorizer.withheldFrom(request.repository, request.writes);
    if (withheldFrom === undefined) return failure;
    return failure.because(
      `the configured credentials were withheld from the token service ${withheldFrom.host}`,
      withheldFrom.toTrust,
    );
  }

  #observe(response: Response): void {
    this.pulls.learn(response);
    if (response.header('x-jfrog-version') === undefined) return;
    this.adapt({ missing403: true }, `${this.name} is Artifactory: its 403 may mean that the image is missing`);
  }

  /**
   * Follows redirects without forwarding credentials: a blob is usually on a storage host
   * (distribution-spec: clients MUST NOT forward Authorization across hosts).
   */
  async #follow(request: RegistryRequest, from: URL, authorization: string | undefined): Promise<Answer> {
    let url = from;
    for (let hop = 0; ; hop++) {
      const headers = { ...request.headers };
      if (authorization !== undefined && url.origin === from.origin) headers['authorization'] = authorization;
      const response = await this.#send(request, url, headers);
      const location = response.header('location');
      const follows = request.method === 'GET' || request.method === 'HEAD';
      if (!follows || location === undefined || !redirectStatuses.has(response.status)) {
        return { response, host: url.host, authorization };
      }
      await response.body.dump();
      if (hop === maxRedirects) throw this.#misdirected(request, url);
      url = this.resolve(location, url);
    }
  }

  #misdirected(request: RegistryRequest, last: URL): RegistryFailure {
    return new RegistryFailure(
      'RegistryFailed',
      `could not ${request.doing} ${this.name}/${request.repository}: more than ${maxRedirects} redirects, the last from ${printable(displayUrl(last))}`,
      {
        hint: `Check the external address in the settings of ${this.name}, and exempt it from single sign-on: its redirects form a loop.`,
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
        // The registry chose the URL of a redirect or upload session.
        sentBy: this.#origin,
        ...(request.headersTimeoutMs !== undefined && { headersTimeoutMs: request.headersTimeoutMs }),
        signal: request.signal,
      });
    } catch (error) {
      throw this.#broken(request, url, error);
    }
  }

  /** Returns the error for a broken connection, or the reason of the signal that aborted it. */
  #broken(request: RegistryRequest, url: URL, error: unknown): unknown {
    return request.signal?.aborted ? request.signal.reason : connectionFailureOf(this.name, request, url, error);
  }

  #url(target: string | URL): URL {
    return typeof target === 'string' ? new URL(`/v2/${target}`, this.#origin) : target;
  }
}

interface Answer {
  response: Response;
  /** The host that responded, after redirects. */
  host: string;
  /** The `Authorization` header that was sent. */
  authorization: string | undefined;
}

/** Retries transient failures, unless they were retried, or the registry requests too long a pause. */
export function judgeFailure(error: unknown): Verdict {
  if (!(error instanceof RegistryFailure) || !error.transient || error.exhausted) return { retry: false };
  return { retry: (error.retryAfterMs ?? 0) <= longestPauseMs, afterMs: error.retryAfterMs };
}

/** Describes a failure for the note of a retry. */
function reasonOf(error: unknown): string {
  const { status, retryAfterMs } = error instanceof RegistryFailure ? error : { status: 0 };
  if (status === 0) return 'no response';
  return `HTTP ${status}${retryAfterMs === undefined ? '' : ' with Retry-After'}`;
}

/** Makes the failure transient: a signed URL may have expired, and the registry gives a new one. */
function storageRefusal(failure: RegistryFailure, host: string): RegistryFailure {
  if (failure.status !== 401 && failure.status !== 403) return failure;
  return new RegistryFailure('RegistryFailed', failure.message, {
    hint: `Check the clocks of ${host} and of the registry that redirected to it, and run again.`,
    status: failure.status,
    code: failure.code,
    transient: true,
  });
}

/** Returns whether a response should have the requested content. */
function isContent({ status }: Response): boolean {
  return status >= 200 && status < 300;
}

const mayNeedCredentials: ReadonlySet<ErrorName> = new Set([
  'ImageNotFound',
  'RegistryForbidden',
  'RegistryUnauthorized',
]);

function isStream(body: RegistryRequest['body']): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}
