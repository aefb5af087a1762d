import { isDeepStrictEqual } from 'node:util';
import type { ErrorName } from '../../errors.ts';
import { retry, type RetryOptions, type Verdict } from '../../http/retry.ts';
import { isLoopback } from '../../http/host-patterns.ts';
import { isPageType } from '../../http/reason-text.ts';
import { readBody, type Response, type Transport } from '../../http/transport.ts';
import { waitFor } from '../../async/wait-for.ts';
import { Authorizer } from './auth/authorizer.ts';
import { Session } from './auth/session.ts';
import type { CredentialProvider } from './auth/credentials.ts';
import { type Answer, Exchange } from './exchange.ts';
import { HostLimits, type Lane, type Slot } from './host-limits.ts';
import { Pace } from './pace.ts';
import { type Profile, profileOf } from './profile.ts';
import { PullLimit } from './pull-budget.ts';
import { failureOf, RegistryFailure } from './registry-failure.ts';
import { isStream, type ReadLimit, type RegistryRequest } from './registry-request.ts';

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

/**
 * Maximum `Retry-After` that is respected, in milliseconds. A request fails if the registry requests a longer pause.
 */
export const longestPauseMs = 120_000;
/** Statuses that other credentials may cure. */
const refusals = new Set([401, 403]);

/** One registry. Sends requests with logins and retries, within its limits. */
export class Registry {
  readonly name: string;
  readonly retryPolicy: RetryPolicy;
  readonly limits = new HostLimits();
  readonly pulls = new PullLimit();
  readonly #exchange: Exchange;
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
    const origin = new URL(`${scheme}://${this.profile.apiHost ?? options.registry}`);
    const { registry, transport } = options;
    this.#exchange = new Exchange({ registry, origin, transport });
    this.#authorizer = new Authorizer({
      registry: this.profile.apiHost ?? options.registry,
      origin,
      provider: options.credentials,
      transport,
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
    return this.#exchange.resolve(location, target);
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
        throw error instanceof RangeError
          ? limit.exceeded(error)
          : this.#exchange.broken(request, this.#exchange.origin, error);
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
    const url = this.#exchange.url(request.target);
    // Credentials are for the registry alone, not for a storage host that an upload session may live on.
    const session = url.origin === this.#exchange.origin.origin ? new Session(this.#authorizer, request) : undefined;
    for (;;) {
      const sent = await session?.header();
      const answer = await this.#exchange.send(request, url, sent);
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
      const { response } = await this.#exchange.send(root, this.#exchange.url(''), undefined);
      await response.body.dump();
      return response.status === 401 ? response.header('www-authenticate') : undefined;
    } catch {
      // The original refusal stands. The next one requests the root again.
      this.#rootChallenge = undefined;
      return undefined;
    }
  }

  async #accept(request: RegistryRequest, { response, host, authorization }: Answer): Promise<Response> {
    if (host === this.#exchange.origin.host) this.#observe(response);
    const page = isPage(response);
    if (request.expect.includes(response.status) && !(page && isContent(response))) return response;
    const isRedirected = host !== this.#exchange.url(request.target).host;
    const storage = isRedirected && !page;
    const party = storage ? `its storage host ${host}` : host === this.#exchange.origin.host ? undefined : host;
    const failure = await failureOf(this.name, request, response, { party, authorization });
    if (page) throw failure;
    throw storage ? storageRefusal(failure, host) : await this.#withheld(failure, request, host);
  }

  /** Adds that credentials were withheld, if that may be the reason. */
  async #withheld(failure: RegistryFailure, request: RegistryRequest, host: string): Promise<RegistryFailure> {
    if (!mayNeedCredentials.has(failure.name)) return failure;
    if (host !== this.#exchange.origin.host) {
      return failure.because(`the credentials of ${this.name} are not sent to ${host}`, {
        hint: `Correct the external address in the settings of ${this.name}: it redirects to ${host}.`,
      });
    }
    const withheldFrom = await this.#authorizer.withheldFrom(request);
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

/** Returns whether a response is for a browser, such as a login page. */
function isPage(response: Response): boolean {
  if (!isPageType(response.header('content-type')) || response.header('docker-content-digest') !== undefined)
    return false;
  // Quay gives this type to empty responses too (endpoints/v2/blob.py): 202 and 204. An empty 200 may be that of a
  // captive portal, or a page in response to HEAD.
  const isEmpty = response.status === 204 || response.header('content-length') === '0';
  return !(isEmpty && isContent(response) && response.status !== 200);
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
