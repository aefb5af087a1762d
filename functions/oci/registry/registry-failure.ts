import { isNativeError } from 'node:util/types';
import { type ErrorName, FactoryError } from '../../errors.ts';
import type { Hint } from '../../hint.ts';
import { networkFailure } from '../../http/network-error.ts';
import { parseRetryAfter, transientStatuses } from '../../http/retry.ts';
import { displayUrl, secretsOfHeader } from '../../http/redact.ts';
import { noReason, type ReasonText, reasonText } from '../../http/reason-text.ts';
import { readStart, type Response } from '../../http/transport.ts';
import { parseChallenges } from './auth/challenge.ts';
import { formatOf } from '../spec/manifest-format.ts';
import { parsePullBudget } from './pull-budget.ts';
import type { Purpose } from './purpose.ts';
import { cureOf, immutableTag, isImmutable, limitedBody, missingRepository, refusesFormat } from './push-refusal.ts';
import { printable } from '../../text/printable.ts';

/** A failed request to a registry, with the facts that decide on a retry. */
export class RegistryFailure extends FactoryError {
  /** HTTP status; 0 without a response. */
  readonly status: number;
  /** The first error code of the specification (`MANIFEST_UNKNOWN`) that says more than `UNKNOWN`. */
  readonly code: string | undefined;
  readonly codes: readonly string[];
  /** The text of the registry; may be empty. */
  readonly said: string;
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;
  /** The request was retried as often as allowed. A caller must not multiply that by retries of a larger step. */
  exhausted = false;
  /** The registry whose request failed: `host[:port]`, as in image names. */
  registry: string | undefined;

  constructor(
    name: ErrorName,
    message: string,
    facts: Hint & {
      status: number;
      code?: string | undefined;
      codes?: readonly string[];
      said?: string;
      transient: boolean;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    },
  ) {
    super(name, message, { hint: facts.hint, topic: facts.topic, cause: facts.cause });
    this.status = facts.status;
    this.code = facts.code;
    this.codes = facts.codes ?? [];
    this.said = facts.said ?? '';
    this.transient = facts.transient;
    this.retryAfterMs = facts.retryAfterMs;
  }

  /** Returns the same failure with an additional fact, and its hint. */
  because(fact: string, hint: Hint): RegistryFailure {
    const { name, message, cause, status, code, codes, said, transient, retryAfterMs } = this;
    const facts = { ...hint, cause, status, code, codes, said, transient, retryAfterMs };
    return Object.assign(new RegistryFailure(name, `${message}; ${fact}`, facts), { registry: this.registry });
  }
}

/**
 * Returns whether a registry refused a pull because it lacks the content. Artifactory returns 403 for that
 * (RTFACT-13797), and an image that may not be pulled counts as absent.
 */
export function isAbsence(error: unknown): error is RegistryFailure {
  return error instanceof RegistryFailure && (error.status === 404 || error.status === 403);
}

const errorBodyLimit = 64 * 1024;

/** The sender of an unexpected response, if it is not the registry itself. */
export interface Sender {
  /** Target of a redirect or an upload session. */
  party?: string | undefined;
  /** The header that was sent: a response that echoes it is not passed on. */
  authorization?: string | undefined;
}

/** Turns a response that was not expected into an error. Reads the start of its body, within bounds. */
export async function failureOf(
  registry: string,
  purpose: Purpose,
  response: Response,
  sender: Sender = {},
): Promise<RegistryFailure> {
  const reason = await reasonOf(response, sender.authorization);
  const { status } = response;
  const { text } = reason;
  const code = reason.codes.find((each) => each !== 'UNKNOWN') ?? reason.codes[0];
  const pullLimit = status === 429 && code !== undefined && /\bpull rate limit\b/i.test(text);
  const budget = pullLimit ? parsePullBudget(response) : undefined;
  const verdict: Verdict =
    status === 429 ? throttled(registry, code, pullLimit) : classify(registry, purpose, status, reason);
  // Only what a proxy may have written itself is worth the doubt.
  const forwarder = status >= 400 && response.forwardedBy && `through ${response.forwardedBy}`;
  const parts = [text && `(${text})`, sender.party && `from ${sender.party}`, redirectOf(response), forwarder];
  const said = parts.filter(Boolean).join(' ');
  return new RegistryFailure(
    verdict.name,
    `could not ${purpose.doing} ${registry}/${purpose.repository}: HTTP ${status}${said && ` ${said}`}${verdict.about ? `; ${verdict.about}` : ''}`,
    {
      hint: verdict.hint,
      topic: verdict.topic,
      status,
      code,
      codes: reason.codes,
      said: text,
      transient: transientStatuses.has(status) && !verdict.final,
      // A pull limit resets at the end of its window. Earlier requests only count against the abuse limit.
      retryAfterMs: parseRetryAfter(response.header('retry-after')) ?? (budget && budget.windowSeconds * 1000),
    },
  );
}

/** Returns the target of a redirect that was not followed, without its query. */
function redirectOf(response: Response): string | undefined {
  const location = response.status >= 300 && response.status < 400 ? response.header('location') : undefined;
  const url = location === undefined ? null : URL.parse(location);
  return url ? `to ${printable(displayUrl(url))}` : undefined;
}

/** Turns a broken connection into an error; anything that is not of the network is returned unchanged. */
export function connectionFailureOf(registry: string, purpose: Purpose, url: URL, error: unknown): unknown {
  const failure = brokenConnection(error);
  if (!failure) return error;
  return new RegistryFailure(
    'RegistryUnreachable',
    `could not ${purpose.doing} ${registry}/${purpose.repository}: ${failure.text} (${displayUrl(new URL(url.origin))})`,
    { ...failure, status: 0 },
  );
}

/** Describes a broken connection, without a cause that may hold secrets; `undefined` for other errors. */
export function brokenConnection(
  error: unknown,
): (Hint & { text: string; transient: boolean; cause: unknown }) | undefined {
  if (isNativeError(error) && error.name === 'HTTPParserError') {
    const hint = 'Check the host and port, and whether the server speaks HTTP or HTTPS there.';
    // A server that sends a body with a response to HEAD breaks the next request only. undici keeps the bytes it could
    // not parse in the error, and they may echo our credentials.
    return { text: 'the response is not HTTP', hint, transient: true, cause: undefined };
  }
  const failure = networkFailure(error);
  if (!failure) return undefined;
  const { text, hint, topic, transient } = failure;
  return { text, hint, topic, transient, cause: error };
}

/**
 * Docker Hub has two limits: one of pulls, reported in the specified JSON, and one of requests per minute and address,
 * reported in plain text by the proxy in front (https://github.com/docker/hub-feedback/issues/1907).
 */
function throttled(registry: string, code: string | undefined, pullLimit: boolean): Verdict {
  const name = 'RegistryThrottled';
  if (pullLimit) {
    const hint = `Log in to ${registry} for a higher pull limit, or run again when the limit resets.`;
    return { name, hint, topic: 'pull-limit' };
  }
  if (code === undefined) {
    const hint = `Send ${registry} fewer requests from this address, which others may share, or run again later.`;
    return { name, hint, topic: 'request-limit' };
  }
  return { name, hint: `Log in to ${registry} for a higher limit, use another source registry, or run later.` };
}

interface Verdict extends Hint {
  name: ErrorName;
  /** A fact that the registry omits. */
  about?: string;
  /** A retry cannot succeed, whatever the status. */
  final?: boolean;
}

function classify(registry: string, purpose: Purpose, status: number, reason: ReasonText): Verdict {
  const { repository, writes, manifest } = purpose;
  const { codes, text, isPage } = reason;
  if (isPage && status < 400) return { name: 'RegistryFailed', hint: pageInstead(registry), final: true };
  if (status === 401) {
    return {
      name: 'RegistryUnauthorized',
      hint: `Log in to ${registry} (docker login), or correct its entry in config.json.`,
    };
  }
  if (writes && isImmutable(text)) {
    return { name: 'PushRefused', ...immutableTag(purpose), final: true };
  }
  if (manifest && refusesFormat(status, codes, text)) {
    const { description, cure } = formatOf(manifest);
    return { name: 'PushRefused', ...cure(registry), about: `the manifest is ${description}`, final: true };
  }
  const cure = writes && status < 500 ? cureOf(text, registry, purpose) : undefined;
  if (cure) return { name: 'PushRefused', ...cure };
  if (status === 403) {
    const right = writes ? 'push to' : 'pull from';
    const hint = isPage
      ? `Allow requests to ${registry} at the firewall or login page that responded in its place.`
      : aboutAddress.test(text)
        ? `Allow the public address of this machine at the firewall of ${registry}.`
        : `Allow the user of ${registry} to ${right} ${repository}.`;
    return { name: 'RegistryForbidden', hint };
  }
  if (writes && status >= 400 && status < 500) {
    if (status === 404) return { name: 'PushRefused', ...missingRepository(registry, purpose) };
    if (status === 413) return { name: 'PushRefused', ...limitedBody(registry) };
    return {
      name: 'PushRefused',
      hint: "Read the registry's reason in the message: most often it is a quota or an immutable tag.",
    };
  }
  if (status === 404) {
    return {
      name: 'ImageNotFound',
      hint: isPage
        ? `Check that ${registry} is the address of a registry: a web page was returned.`
        : `Check that ${registry}/${repository} exists, and that the credentials may see it.`,
    };
  }
  if (status >= 300 && status < 400) return { name: 'RegistryFailed', hint: pageInstead(registry) };
  if (status >= 400 && status < 500) {
    return {
      name: 'RegistryFailed',
      hint: `Read the reason in the message: ${registry} refuses to serve ${repository}.`,
    };
  }
  return { name: 'RegistryFailed', hint: `Try again later: ${registry} does not work as specified.` };
}

/** Matches refusals by the firewall of a registry, such as Azure's. */
const aboutAddress =
  /\bIP\b.{0,80}\bnot\b.{0,20}\ballowed|\bIP\b.{0,80}(?:allow|white) ?-?list|(?:allow|white) ?-?list.{0,80}\bIP\b/i;

function pageInstead(registry: string): string {
  return `Check that ${registry} is the address of a registry, and exempt it from single sign-on: a login page or captive portal responded in its place.`;
}

/** Returns the reason in the start of the body. */
async function reasonOf(response: Response, authorization: string | undefined): Promise<ReasonText> {
  const secrets = secretsOfHeader(authorization);
  let reason = noReason;
  try {
    const body = await readStart(response, errorBodyLimit);
    reason = reasonText(body.toString(), response.header('content-type'), secrets);
  } catch {
    // The headers may still have a reason.
  }
  return reason.text === '' ? reasonOfHeaders(response, secrets) : reason;
}

/** Returns the reason in the headers, for a response without a body: of a bearer token (RFC 6750, 3), or of storage. */
function reasonOfHeaders(response: Response, secrets: readonly string[]): ReasonText {
  const challenges = parseChallenges(response.header('www-authenticate'));
  const { error, error_description } = challenges.find(({ parameters }) => parameters['error'])?.parameters ?? {};
  const code = error ?? response.header('x-ms-error-code') ?? response.header('x-amzn-errortype');
  return code === undefined
    ? noReason
    : reasonText(JSON.stringify({ code, message: error_description }), undefined, secrets);
}
