import { FactoryError } from '../errors.ts';
import { advise } from '../advice.ts';
import { networkFailure } from '../http/network-error.ts';
import { displayUrl } from '../http/redact.ts';
import { reasonText } from '../http/reason-text.ts';
import { parseRetryAfter, transientStatuses } from '../http/retry.ts';
import type { Response } from '../http/transport.ts';
import { printable } from '../text/printable.ts';
import type { ApiKey } from './api-key.ts';
import type { Envelope } from './envelope.ts';
import { own } from '../text/own.ts';

/** The facts about a call for its error message. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  url: URL;
  /** The purpose of the call: `update the configuration of ci/K8`. */
  purpose: string;
  fields: string[];
  permission: string;
  /** Timeout for the complete response, in milliseconds. */
  timeoutMs: number;
  body?: string;
  /** Recognizes responses that are errors of HTTP and no failure of this call, such as that of a missing object. */
  expects?: (envelope: Envelope, status: number) => boolean;
  headers?: Readonly<Record<string, string>>;
  /** Set for a service whose responses have no envelope. */
  bare?: true;
  /** The hint when the installation does not have the path. */
  hintIfAbsent?: string;
  /** Returns the hint for a refusal that needs another one than usual. */
  hintFor?: (envelope: Envelope) => string | undefined;
}

/** A 404 without an error code of Harness: the installation does not have the path, and so not the module. */
export class PathNotFound extends FactoryError {}

/** A failure that may not recur on a retry. */
export class TransientFailure extends FactoryError {
  /** The server's `Retry-After`, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { hint: string; cause?: unknown; retryAfterMs?: number | undefined }) {
    super('HarnessUnreachable', message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

const checkUrl = 'Check HARNESS_URL: it must be the address of your Harness, such as https://app.harness.io.';

/** Returns the error of a call without an HTTP response. Errors that are not the network's are bugs, and unchanged. */
export function unanswered(call: Call, error: unknown): unknown {
  const where = `cannot ${call.purpose}: ${displayUrl(call.url)}`;
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new TransientFailure(`${where}: no response within ${call.timeoutMs / 1000} s`, {
      hint: `Try again later. ${checkUrl}`,
    });
  }
  const network = networkFailure(error);
  if (network) {
    const message = `${where}: ${network.text} (${network.code})`;
    const cure = advise(network.hint, network.topic);
    const hint = network.party === 'proxy' ? cure : `${cure} ${checkUrl}`;
    const options = { hint, cause: error };
    return network.transient
      ? new TransientFailure(message, options)
      : new FactoryError('HarnessUnreachable', message, options);
  }
  if (error instanceof RangeError) {
    return new FactoryError('HarnessUnexpectedResponse', `${where}: ${error.message}`, { hint: checkUrl });
  }
  // Leave the cause out: undici keeps the bytes that it could not parse in the error, and they may echo the key.
  if (error instanceof Error && error.name === 'HTTPParserError') {
    return new FactoryError('HarnessUnexpectedResponse', `${where}: the response is not HTTP`, { hint: checkUrl });
  }
  const code = systemCode(error);
  return code === undefined ? error : new FactoryError('HarnessUnreachable', `${where}: ${code}`, { hint: checkUrl });
}

/** Returns the code of a system, TLS or undici error. Leaves out codes about wrong arguments: those are bugs. */
function systemCode(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && !/^(UND_)?ERR_INVALID/.test(code) ? code : undefined;
}

/** A response as the client read it. */
interface Refusal {
  response: Response;
  body: string;
  envelope: Envelope | undefined;
  key: ApiKey;
}

export function refused(call: Call, { response, body, envelope, key }: Refusal): FactoryError {
  const { status } = response;
  const where = `cannot ${call.purpose}: ${displayUrl(call.url)} returned ${status}`;
  const { text, isPage } = reasonText(key.redact(body), response.header('content-type'));
  const said = envelope ? facts(envelope, key) : '';
  const firewall = (status === 401 || status === 403) && aboutAddress(envelope, text);
  if (firewall) {
    return new FactoryError(
      'HarnessForbidden',
      `${where}: the address of this machine is not allowed${said || `: ${text}`}`,
      {
        hint: "Add the public address of this machine to the account's IP allowlist (Account Settings, IP Allowlist; source API).",
      },
    );
  }
  if (isTransient(call, status)) {
    return new TransientFailure(where + (said || (text && `: ${text}`)), {
      hint:
        status === 429
          ? 'Harness limits requests per minute: run again later.'
          : 'Harness or a proxy has a problem: run again later.',
      retryAfterMs: parseRetryAfter(response.header('retry-after')),
    });
  }
  if (status >= 300 && status < 400) {
    const target = URL.parse(response.header('location') ?? '', call.url.href);
    return unexpected(
      call,
      `${status}, a redirect${target ? ` to ${key.redact(displayUrl(target))}` : ''}`,
      behindLogin,
    );
  }
  // Harness itself sends 400 for a missing object. 404 and 405 mean that the API has no such path.
  const lacksPath = status === 404 && !/[A-Z]/.test(envelope?.code ?? '');
  const failure = lacksPath ? pathNotFound : unexpected;
  if (isPage) {
    const ray = response.header('cf-ray');
    const page = text.replace('a web page', 'an HTML page') + (ray ? ` (Cloudflare, ray ${plain(ray, key)})` : '');
    return failure(
      call,
      `${status} with ${page}`,
      status === 403 ? behindFirewall : status < 300 ? behindLogin : checkUrl,
    );
  }
  if (status === 404 || status === 405) {
    return failure(call, `${status}${said || (text && `: ${text}`)}`);
  }
  if (status === 401) {
    return new FactoryError('HarnessUnauthorized', where + said, {
      hint: `Check that the API key is complete, has not expired, and belongs to account ${call.url.searchParams.get('accountIdentifier') ?? call.headers?.['harness-account']}.`,
    });
  }
  if (status === 403) {
    const missing = envelope?.missingPermissions.length ? envelope.missingPermissions.join(', ') : call.permission;
    const contract = aboutContract(envelope);
    const lack = contract === undefined ? `: the key lacks ${plain(missing, key)}` : '';
    return new FactoryError('HarnessForbidden', where + lack + (said || (text && `: ${text}`)), {
      hint: contract ?? roleWith(envelope?.missingPermissions[0] ?? call.permission),
    });
  }
  if (status < 400 && envelope?.status === undefined) return unexpected(call, `${status} without a Harness envelope`);
  return new FactoryError('HarnessRejected', where + (said || (text && `: ${text}`)) + fieldList(call.fields), {
    hint:
      aboutContract(envelope) ??
      (envelope && call.hintFor?.(envelope)) ??
      (call.fields.length > 0
        ? 'One unknown or read-only field makes Harness refuse the whole request: leave it out with exclude_fields.'
        : call.permission.startsWith('core_account_')
          ? 'Check the account and the infrastructure type; Harness support can look the correlation id up.'
          : 'Correct what Harness names; its support can look the correlation id up.'),
  });
}

/** Returns the error of a write that Harness did not carry out, although it responded with HTTP 200. */
export function deniedByPolicy(call: Call, reason: string, key: ApiKey): FactoryError {
  const message = `cannot ${call.purpose}: a policy of the account denied it: ${plain(reason, key)}`;
  return new FactoryError('HarnessRejected', message, {
    hint: 'Change the policy (Account Settings, Policies), or exempt this object from it.',
  });
}

/** Returns the error of a write whose YAML Harness found invalid, although it responded with HTTP 200. */
export function invalidYaml(call: Call, reasons: string, key: ApiKey): FactoryError {
  const message = `cannot ${call.purpose}: Harness stored nothing, because its YAML is invalid: ${plain(reasons, key)}`;
  return new FactoryError('HarnessRejected', message, { hint: 'Correct the setting that Harness names.' });
}

/** Returns the error of a write to `object` that the check of permissions ruled out. */
export function lacksPermission(permission: string, object: string): FactoryError {
  const message = `the key may not change ${object}: it lacks ${permission}`;
  return new FactoryError('HarnessForbidden', message, { hint: roleWith(permission) });
}

/** Returns the error of a response that does not match the API's documentation. */
export function unexpected(call: Call, what: string, hint = checkUrl): FactoryError {
  const message = `cannot ${call.purpose}: ${displayUrl(call.url)} returned ${what}`;
  return new FactoryError('HarnessUnexpectedResponse', message, { hint });
}

function pathNotFound(call: Call, what: string, hint?: string): FactoryError {
  const { name, message, hint: cure } = unexpected(call, what, hint);
  return new PathNotFound(name, message, { hint: call.hintIfAbsent ?? cure });
}

const behindLogin = `${checkUrl} If it is right, exempt it from the login page or captive portal on the way.`;
const behindFirewall = `Let the firewall or proxy in front of Harness pass requests of this machine. ${checkUrl}`;

/**
 * Detects an IP allowlist by the text of Harness or of a gateway (harness/harness-core, ErrorCode NOT_WHITELISTED_IP).
 */
function aboutAddress(envelope: Envelope | undefined, text: string): boolean {
  const said = [envelope?.code, envelope?.message, ...(envelope?.details ?? []), text].join(' ').slice(0, 4_000);
  return /WHITELISTED_IP|IP_?ALLOW|\bIP\b.{0,80}(?:(?:allow|white)[- ]?list|\bnot\b.{0,20}\ballowed)|(?:allow|white)[- ]?list.{0,80}\bIP\b/i.test(
    said,
  );
}

/** Returns the hint for a failure that neither a role nor a field can cure. */
function aboutContract(envelope: Envelope | undefined): string | undefined {
  const said = [envelope?.code, envelope?.message, ...(envelope?.details ?? [])].join(' ').slice(0, 4_000);
  // The name of a permission may contain the same word.
  if (envelope?.missingPermissions.length) return undefined;
  if (
    /\blicen[cs]e\b.{0,60}\b(?:expired|not|missing|invalid|required)\b|\b(?:no|valid|active) licen[cs]e\b|LICENSE_EXPIRED/i.test(
      said,
    )
  )
    return "Check the account's licence of the module (Account Settings, Subscriptions).";
  if (/feature[ _-]?flag|feature is (?:not|disabled)/i.test(said))
    return 'Ask Harness support to enable the feature flag that the message names.';
  return undefined;
}

/**
 * Returns whether to retry. A read is retried after any server error. A write sets values, so it can be repeated too,
 * but not after a plain 500: that is Harness's response to an unknown field (harness/harness-core,
 * GenericExceptionMapperV2).
 */
function isTransient({ method }: Call, status: number): boolean {
  return transientStatuses.has(status) && !(method === 'POST' && status === 500);
}

/** The roles shipped with Harness that hold a permission (harness/harness-core, managed-roles.yml). */
const roles: Record<string, string> = {
  core_account_view: ' (Account Viewer has it)',
  core_account_edit: ' (Account Admin has it, or a custom role on the account with "Edit Account")',
  core_connector_view: ' in the scope of the connector ("View" on connectors)',
  core_connector_edit: ' in the scope of the connector ("Create / Edit" on connectors)',
  core_secret_view: ' in the scope of the secret ("View" on secrets)',
  core_secret_edit: ' in the scope of the secret ("Create / Edit" on secrets)',
  core_connector_delete: ' in the scope of the connector ("Delete" on connectors)',
  core_secret_delete: ' in the scope of the secret ("Delete" on secrets)',
  core_pipeline_view: ' in the project ("View" on pipelines)',
  core_pipeline_edit: ' in the project ("Create / Edit" on pipelines)',
  core_pipeline_delete: ' in the project ("Delete" on pipelines)',
  core_pipeline_execute: ' in the project ("Execute" on pipelines)',
  core_template_view: ' in the scope of the template ("View" on templates)',
  core_template_edit: ' in the scope of the template ("Create / Edit" on templates)',
  core_template_delete: ' in the scope of the template ("Delete" on templates)',
};

/** Returns the hint for a key that lacks a permission. */
export function roleWith(permission: string): string {
  return `Give the key's user or service account a role with ${permission}${own(roles, permission) ?? ''}.`;
}

function facts({ message, code, correlationId, data, details }: Envelope, key: ApiKey): string {
  // Frameworks repeat the HTTP status as a code.
  const origin = [
    code && !/^\d+$/.test(code) && plain(code, key),
    correlationId && `correlation id ${plain(correlationId, key)}`,
  ].filter(Boolean);
  const reasons = [message, ...details].filter((reason) => reason !== undefined);
  // A cause often repeats the message, or part of it.
  const distinct = reasons.filter((reason, i) => !reasons.slice(0, i).some((before) => before.includes(reason)));
  const text =
    distinct.join('; ') || (data === false ? 'data is false: the service did not carry out the request' : undefined);
  return (text ? `: ${plain(text, key)}` : '') + (origin.length > 0 ? ` (${origin.join(', ')})` : '');
}

function fieldList(fields: string[]): string {
  return fields.length > 0 ? `; fields: ${fields.join(', ')}` : '';
}

/** Shortens a server's text to one line. Removes the key first, while it is still complete. */
function plain(text: string, key: ApiKey): string {
  return printable(key.redact(text));
}
