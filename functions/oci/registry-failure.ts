import { isNativeError } from 'node:util/types';
import { type ErrorName, FactoryError } from '../errors.ts';
import { networkFailure } from '../http/network-error.ts';
import { parseRetryAfter, transientStatuses } from '../http/retry.ts';
import { displayUrl } from '../http/redact.ts';
import { readBody, type Response } from '../http/transport.ts';
import { parsePullBudget } from './pull-budget.ts';
import { printable } from '../text/printable.ts';

/** A registry's refusal, with what a caller needs to decide about another try. */
export class RegistryFailure extends FactoryError {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** The specification's error code (`MANIFEST_UNKNOWN`), when the registry gave one. */
  readonly code: string | undefined;
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;
  /** The request was repeated as often as is allowed: whoever repeats a larger step must not multiply that. */
  exhausted = false;

  constructor(
    name: ErrorName,
    message: string,
    facts: {
      hint: string;
      status: number;
      code?: string | undefined;
      transient: boolean;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    },
  ) {
    super(name, message, { hint: facts.hint, cause: facts.cause });
    this.status = facts.status;
    this.code = facts.code;
    this.transient = facts.transient;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

const errorBodyLimit = 64 * 1024;

/** What a request was for: decides the name of its failure and the words of its message. */
export interface Purpose {
  /** "pull manifest 1.2.3 of", "start an upload to": continued by the repository's name. */
  readonly doing: string;
  readonly repository: string;
  readonly writes: boolean;
}

/**
 * Turns an answer that was not expected into an error. Reads the body, within bounds. `authorization` is the header that
 * was sent: an answer that echoes it is not passed on.
 */
export async function failureOf(
  registry: string,
  purpose: Purpose,
  response: Response,
  authorization?: string,
): Promise<RegistryFailure> {
  const { code, message } = await errorBody(response, authorization?.split(' ').at(-1));
  const { status } = response;
  const place = `${registry}/${purpose.repository}`;
  const said = [code, message].filter(Boolean).join(': ');
  const pullLimit = status === 429 && code !== undefined && /\bpull rate limit\b/i.test(message ?? '');
  const budget = pullLimit ? parsePullBudget(response) : undefined;
  const { name, hint } =
    status === 429 ? throttled(registry, code, pullLimit) : classify(status, code, purpose, registry);
  return new RegistryFailure(name, `could not ${purpose.doing} ${place}: HTTP ${status}${said && ` (${said})`}`, {
    hint,
    status,
    code,
    transient: transientStatuses.has(status),
    // A pull limit opens again with its window, and no sooner: asking again meanwhile only adds to the abuse limit.
    retryAfterMs: parseRetryAfter(response.header('retry-after')) ?? (budget && budget.windowSeconds * 1000),
  });
}

/** Turns a broken connection into an error; anything that is not of the network is returned unchanged. */
export function connectionFailureOf(registry: string, purpose: Purpose, url: URL, error: unknown): unknown {
  const failure = brokenConnection(error);
  if (!failure) return error;
  return new RegistryFailure(
    'RegistryUnreachable',
    `could not ${purpose.doing} ${registry}/${purpose.repository}: ${failure.text} (${displayUrl(new URL(url.origin))})`,
    { hint: failure.hint, status: 0, transient: failure.transient, cause: failure.cause },
  );
}

/** What a broken connection comes to, with its cause as far as that may be shown; `undefined` for anything else. */
export function brokenConnection(
  error: unknown,
): { text: string; hint: string; transient: boolean; cause: unknown } | undefined {
  if (isNativeError(error) && error.name === 'HTTPParserError') {
    const hint = 'Check the host and port, and whether the server speaks HTTP or HTTPS there.';
    // undici keeps the bytes it could not parse in the error, and they may echo our credentials.
    return { text: 'the answer is not HTTP', hint, transient: false, cause: undefined };
  }
  const failure = networkFailure(error);
  return failure && { ...failure, cause: error };
}

/**
 * Docker Hub has two limits: one of pulls, told in the specification's JSON, and one of requests per minute and address,
 * told in plain text by the proxy in front (https://github.com/docker/hub-feedback/issues/1907).
 */
function throttled(registry: string, code: string | undefined, pullLimit: boolean): { name: ErrorName; hint: string } {
  const name = 'RegistryThrottled';
  if (pullLimit) {
    const hint = `The pull limit of ${registry} is used up: log in for a higher one, name another source_registry, or run again in some hours.`;
    return { name, hint };
  }
  if (code === undefined) {
    const hint = `${registry} gets too many requests from this address, which others may share: lower max_concurrency, or run later.`;
    return { name, hint };
  }
  return { name, hint: `Log in to ${registry} for a higher limit, use another source registry, or run later.` };
}

function classify(
  status: number,
  code: string | undefined,
  purpose: Purpose,
  registry: string,
): { name: ErrorName; hint: string } {
  if (status === 401) {
    return {
      name: 'RegistryUnauthorized',
      hint: `Log in to ${registry} (docker login), or correct its entry in config.json.`,
    };
  }
  if (status === 403) {
    const right = purpose.writes ? 'push to' : 'pull from';
    return { name: 'RegistryForbidden', hint: `Allow the user of ${registry} to ${right} ${purpose.repository}.` };
  }
  if (purpose.writes && status >= 400 && status < 500) {
    const missing = status === 404 || code === 'NAME_UNKNOWN';
    const hint = missing
      ? `Create the repository ${purpose.repository} at ${registry}, or let the registry create repositories on push.`
      : `See the registry's reason above; immutable tags and quotas are the usual ones.`;
    return { name: 'PushRefused', hint };
  }
  if (status === 404) {
    return {
      name: 'ImageNotFound',
      hint: `Check that ${registry}/${purpose.repository} exists, and that the credentials may see it.`,
    };
  }
  return { name: 'RegistryFailed', hint: `${registry} does not work as it should; try again later.` };
}

/** The first error of the specification's document, or a piece of whatever else was sent. */
async function errorBody(response: Response, secret?: string): Promise<{ code?: string; message?: string }> {
  let text: string;
  try {
    text = (await readBody(response, errorBodyLimit)).toString();
    if (secret) text = text.replaceAll(secret, '[redacted]');
  } catch {
    return {};
  }
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    const [first] = errors ?? [];
    return {
      ...(typeof first?.code === 'string' && { code: printable(first.code) }),
      ...(typeof first?.message === 'string' && { message: printable(first.message) }),
    };
  } catch {
    return /<html|<!doctype/i.test(text) ? {} : { message: printable(text) };
  }
}
