import { type ErrorName, FactoryError } from '../errors.ts';
import { networkFailure } from '../http/network-error.ts';
import { parseRetryAfter, transientStatuses } from '../http/retry.ts';
import { displayUrl } from '../http/redact.ts';
import { readBody, type Response } from '../http/transport.ts';

/** A registry's refusal, with what a caller needs to decide about another try. */
export class RegistryFailure extends FactoryError {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** The specification's error code (`MANIFEST_UNKNOWN`), when the registry gave one. */
  readonly code: string | undefined;
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;

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

/** Turns an answer that was not expected into an error. Reads the body, within bounds. */
export async function failureOf(registry: string, purpose: Purpose, response: Response): Promise<RegistryFailure> {
  const { code, message } = await errorBody(response);
  const { status } = response;
  const place = `${registry}/${purpose.repository}`;
  const said = [code, message].filter(Boolean).join(': ');
  const { name, hint } = classify(status, code, purpose, registry);
  return new RegistryFailure(name, `could not ${purpose.doing} ${place}: HTTP ${status}${said && ` (${said})`}`, {
    hint,
    status,
    code,
    transient: transientStatuses.has(status),
    retryAfterMs: parseRetryAfter(response.header('retry-after')),
  });
}

/** Turns a broken connection into an error; anything that is not of the network is returned unchanged. */
export function connectionFailureOf(registry: string, purpose: Purpose, url: URL, error: unknown): unknown {
  const failure = networkFailure(error);
  if (!failure) return error;
  return new RegistryFailure(
    'RegistryUnreachable',
    `could not ${purpose.doing} ${registry}/${purpose.repository}: ${failure.text} (${displayUrl(new URL(url.origin))})`,
    { hint: failure.hint, status: 0, transient: failure.transient, cause: error },
  );
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
  if (status === 429) {
    return {
      name: 'RegistryThrottled',
      hint: `Log in to ${registry} for a higher limit, use another source registry, or run later.`,
    };
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
async function errorBody(response: Response): Promise<{ code?: string; message?: string }> {
  let text: string;
  try {
    text = (await readBody(response, errorBodyLimit)).toString();
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

/** Remote text in our messages: one line, bounded, without control characters that could drive a terminal. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is removed
  return text
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, 300);
}
