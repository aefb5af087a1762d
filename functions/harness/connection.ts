import { FactoryError } from '../errors.ts';
import { retry, type Verdict } from '../http/retry.ts';
import { readBody, Transport, type Response } from '../http/transport.ts';
import { accountIdFromKey } from './account.ts';
import { ApiKey } from './api-key.ts';
import { parseBaseUrl } from './base-url.ts';
import { isSuccess, parseBare, parseEnvelope, type Envelope } from './envelope.ts';
import {
  deniedByPolicy,
  invalidYaml,
  refused,
  TransientFailure,
  unanswered,
  unexpected,
  type Call,
} from './failure.ts';
import { errorResponse, policyDenial } from './false-success.ts';
import { isNotFound } from './missing-object.ts';

export interface HarnessConnectionOptions {
  /** Address of Harness, with or without `/gateway`. */
  url: string;
  apiKey: string;
  /** Returns the key to use after Harness refused `refused`; the same key when there is no other. */
  renewKey?: (refused: string) => Promise<string>;
  /** Default: the account in the key. */
  accountId?: string;
  transport?: Transport;
  /** Called before the pause of each retry. */
  onRetry?: (error: Error, pauseMs: number) => void;
  /** Total attempts, and the pauses between them in milliseconds. */
  retry?: { attempts: number; baseMs: number; maxMs: number };
  /** Timeout of one attempt, in milliseconds. */
  timeoutMs?: { read: number; write: number };
}

const defaultRetry = { attempts: 4, baseMs: 500, maxMs: 8_000 };
const defaultTimeouts = { read: 10_000, write: 30_000 };
/** Maximum size of a response, in bytes. A configuration of fifty fields has five kilobytes. */
const bodyLimit = 2 * 1024 * 1024;
/** Longest `Retry-After` to wait for, in milliseconds. A longer one fails the call. */
const longestPauseMs = 60_000;

/** One Harness account at one address, with the key that opens it. Sends requests, retries them, and reads envelopes. */
export class HarnessConnection {
  readonly accountId: string;
  readonly #gateway: URL;
  readonly #renewKey: HarnessConnectionOptions['renewKey'];
  readonly #hasOwnAccount: boolean;
  #key: ApiKey;
  #keyText: string;
  readonly #transport: Transport;
  readonly #retry: typeof defaultRetry;
  readonly #onRetry: HarnessConnectionOptions['onRetry'];
  readonly #timeoutMs: typeof defaultTimeouts;

  /** @throws {FactoryError} `InvalidConfiguration` for an unusable URL or key, or when no account is known. */
  constructor(options: HarnessConnectionOptions) {
    this.#gateway = parseBaseUrl(options.url);
    this.#key = new ApiKey(options.apiKey);
    this.#keyText = options.apiKey;
    this.#renewKey = options.renewKey;
    this.#hasOwnAccount = Boolean(options.accountId?.trim());
    this.accountId = options.accountId?.trim() || accountIdFromKey(options.apiKey) || throwNoAccount();
    this.#transport = options.transport ?? new Transport();
    this.#retry = options.retry ?? defaultRetry;
    this.#onRetry = options.onRetry;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeouts;
  }

  /** Returns the address of a path below the gateway, with the account and the given parameters in its query. */
  url(path: string, query: Readonly<Record<string, string | undefined>> = {}): URL {
    const url = this.bareUrl(path);
    for (const [name, value] of Object.entries({ accountIdentifier: this.accountId, ...query })) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url;
  }

  /** Returns the address of a path below the gateway, without a query. */
  bareUrl(path: string): URL {
    return new URL(`${this.#gateway.href}/${path}`);
  }

  /** Returns the same address in front of the gateway. */
  withoutGateway(url: URL): URL {
    const root = this.#gateway.href.replace(/gateway$/, '');
    return new URL(url.href.replace(`${this.#gateway.href}/`, root));
  }

  /** Completes a call. It reads unless the method writes or `writes` is set. */
  call(call: Pick<Call, 'url' | 'purpose' | 'permission'> & Partial<Call>, writes = false): Call {
    return { method: 'GET', fields: [], timeoutMs: this.#timeoutMs[writes ? 'write' : 'read'], ...call };
  }

  /** Retries until there is a final response, and again with a new key when Harness refuses the current one. */
  send(call: Call, signal?: AbortSignal): Promise<Envelope> {
    return this.#withRenewedKey(() => this.retry(() => this.attempt(call, signal), signal));
  }

  /** Sends a read of an object. Returns `undefined` when Harness has none of this name. */
  async find(call: Call, signal?: AbortSignal, isMissing = isNotFound): Promise<Envelope | undefined> {
    let missing = false;
    const expects: Call['expects'] = (envelope, status) => (missing = isMissing(envelope, status));
    const envelope = await this.send({ ...call, expects }, signal);
    return missing ? undefined : envelope;
  }

  /** Sends a call that must not be repeated blindly: it creates something. */
  sendOnce(call: Call, signal?: AbortSignal): Promise<Envelope> {
    return this.#withRenewedKey(() => this.attempt(call, signal));
  }

  /** Returns the data of the response to a write. Throws `HarnessRejected` when nothing was stored in spite of HTTP 200. */
  accepted({ data }: Envelope, call: Call): unknown {
    const denial = policyDenial(data);
    if (denial !== undefined) throw deniedByPolicy(call, denial, this.#key);
    const reasons = errorResponse(data);
    if (reasons !== undefined) throw invalidYaml(call, reasons, this.#key);
    return data;
  }

  /** Runs `attempt` with a key that Harness accepts: again with a new one when it refuses the current one. */
  async #withRenewedKey<T>(attempt: () => Promise<T>): Promise<T> {
    const key = this.#keyText;
    try {
      return await attempt();
    } catch (error) {
      if (!isRefusal(error) || !(await this.#replaceKey(key))) throw error;
      return attempt();
    }
  }

  /** Runs a request, and again with a new key where the result does not suffice: the current key may lack a permission. */
  async withNewerKey<T>(request: () => Promise<T>, suffices: (result: T) => boolean): Promise<T> {
    const key = this.#keyText;
    const result = await request();
    return suffices(result) || !(await this.#replaceKey(key)) ? result : request();
  }

  /** Returns whether there is a key for the same account other than the refused one. */
  async #replaceKey(refused: string): Promise<boolean> {
    // A concurrent call may have replaced it already.
    if (this.#keyText !== refused) return true;
    try {
      const text = (await this.#renewKey?.(refused)) ?? refused;
      const isOfAccount = this.#hasOwnAccount || accountIdFromKey(text) === this.accountId;
      if (text === refused || !isOfAccount) return false;
      this.#key = new ApiKey(text);
      this.#keyText = text;
      return true;
    } catch {
      // Report the refusal instead: it is more informative.
      return false;
    }
  }

  /** Runs `attempt` until it succeeds or fails for good. */
  async retry<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await retry(attempt, {
        ...this.#retry,
        judge,
        onRetry: (error, _attempt, pauseMs) => {
          if (error instanceof Error) this.#onRetry?.(error, pauseMs);
        },
        signal,
      });
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  }

  /** Sends one request. */
  async attempt(call: Call, signal?: AbortSignal): Promise<Envelope> {
    let response: Response;
    let body: string;
    const key = this.#key;
    try {
      response = await this.#transport.request({
        method: call.method,
        url: call.url,
        headers: {
          accept: 'application/json',
          ...(call.body !== undefined && { 'content-type': 'application/json' }),
          ...call.headers,
          ...key.headers(),
        },
        body: call.body,
        signal: AbortSignal.any([...(signal ? [signal] : []), AbortSignal.timeout(call.timeoutMs)]),
      });
      body = (await readBody(response, bodyLimit)).toString('utf8');
    } catch (error) {
      throw unanswered(call, error);
    }
    const ok = response.status >= 200 && response.status < 300;
    const envelope = ok && call.bare ? parseBare(body) : parseEnvelope(body);
    if (envelope && ((ok && isSuccess(envelope)) || call.expects?.(envelope, response.status))) return envelope;
    throw refused(call, { response, body, envelope, key });
  }
}

/** Returns whether the key is wrong, has expired, or lacks the permission. */
function isRefusal(error: unknown): boolean {
  return error instanceof FactoryError && (error.name === 'HarnessUnauthorized' || error.name === 'HarnessForbidden');
}

function judge(error: unknown): Verdict {
  if (!(error instanceof TransientFailure) || (error.retryAfterMs ?? 0) > longestPauseMs) return { retry: false };
  return { retry: true, afterMs: error.retryAfterMs };
}

/** Returns what a response should have. */
export function expected<T>(value: T | undefined, call: Call, lack: string): T {
  if (value === undefined) throw unexpected(call, lack);
  return value;
}

function throwNoAccount(): never {
  const found = 'no account id, and none in the API key';
  const allowed = 'the account id, or a key of the form pat.ACCOUNT.… or sat.ACCOUNT.…';
  throw new FactoryError('InvalidConfiguration', `HARNESS_ACCOUNT_ID: found ${found}, expected ${allowed}`, {
    hint: 'Set HARNESS_ACCOUNT_ID; Harness shows it under Account Settings, Overview.',
    problems: [{ path: 'HARNESS_ACCOUNT_ID', found, allowed }],
  });
}
