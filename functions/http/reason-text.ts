import { isObject, parseJson as parseDocument } from '../text/json.ts';
import { printable } from '../text/printable.ts';
import { withoutSecrets } from '../text/secrets.ts';

/** The reasons in the body of an error response, safe to display. */
export interface ReasonText {
  /** Every reason in one bounded line: `DENIED: no; MANIFEST_INVALID: invalid URL on layer`. Empty without any. */
  readonly text: string;
  /** The codes among them, in order: `TAG_INVALID`, `AccessDenied`, `invalid_scope`. */
  readonly codes: readonly string[];
  /** True if the body is for a browser: a login page, an error page, a block page. */
  readonly isPage: boolean;
}

/** The number of characters of a body that are searched for reasons. */
const lookLimit = 64 * 1024;
const textLimit = 600;
const reasonsLimit = 10;

export const noReason: ReasonText = { text: '', codes: [], isPage: false };

/**
 * Extracts the reasons from an error's body, in any of the forms that registries, token services, storage hosts and
 * proxies use: the OCI specification's `errors`, Artifactory's, OAuth's `error_description`, a plain `message`, RFC
 * 9457, the XML of S3 and Azure, the title of a web page, and plain text. Redacts `secrets`, which were sent to the
 * server and may be echoed in the response.
 */
export function reasonText(body: string, contentType: string | undefined, secrets: readonly string[] = []): ReasonText {
  const text = body.slice(0, lookLimit);
  const show = (part: string) => printable(withoutSecrets(without(secrets, part)).replaceAll(/\s+/g, ' '));
  if (isPage(text, contentType)) {
    const title = show(titleOf(text));
    return { text: title === '' ? 'a web page' : `a web page, "${title}"`, codes: [], isPage: true };
  }
  const json = parseJson(text);
  const reasons = json === undefined ? reasonsOfText(text) : reasonsOfJson(json);
  const shown = reasons.map((reason) => describe(reason, show)).filter(Boolean);
  // Show JSON of an unknown form as it is.
  const lines = shown.length > 0 || reasons.length > 0 ? shown : [show(text)];
  return {
    text: printable([...new Set(lines)].join('; '), textLimit),
    codes: reasons.flatMap(({ code }) => (code === undefined ? [] : [show(code)])),
    isPage: false,
  };
}

/**
 * Tests by the media type whether a response is for a browser. The response to a HEAD request has no body to look at.
 */
export function isPageType(contentType: string | undefined): boolean {
  return /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(contentType ?? '');
}

/** Redacts secrets. Call it before cutting the text, which could leave a part of a secret. */
function without(secrets: readonly string[], text: string): string {
  return secrets.filter(Boolean).reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
}

interface Reason {
  code?: string | undefined;
  message?: string | undefined;
  detail?: string | undefined;
}

type Json = Record<string, unknown>;

function isPage(text: string, contentType: string | undefined): boolean {
  return (
    /^\s*(?:<!doctype\s+html|<html|<head|<body)/i.test(text) || (isPageType(contentType) && /^\s*(?:<|$)/.test(text))
  );
}

/** Returns the title or the first heading of a page. */
function titleOf(html: string): string {
  const [, inside = ''] = /<(?:title|h1)\b[^>]{0,200}>([^<]{1,300})/i.exec(html) ?? [];
  return unescaped(inside);
}

function parseJson(text: string): unknown {
  // A number or a bare word is text.
  if (!/^\s*[[{"]/.test(text)) return undefined;
  try {
    return parseDocument(text);
  } catch {
    return undefined;
  }
}

function reasonsOfText(text: string): Reason[] {
  return /^\s*<\?xml|^\s*<(?:\w+:)?Error/.test(text) ? [reasonOfXml(text)] : [{ message: text }];
}

/** Reads the XML of S3, Google and Azure: `<Error><Code>…</Code><Message>…</Message></Error>`. */
function reasonOfXml(text: string): Reason {
  const element = (name: string) => {
    const found = new RegExp(`<${name}>([^<]{1,1000})</${name}>`, 'i').exec(text)?.[1];
    return found === undefined ? undefined : unescaped(found);
  };
  const detail = element('Details') ?? element('AuthenticationErrorDetail');
  const reason = { code: element('Code'), message: element('Message'), detail };
  return reason.code === undefined && reason.message === undefined ? { message: text } : reason;
}

function reasonsOfJson(value: unknown): Reason[] {
  if (typeof value === 'string') return [{ message: value }];
  if (Array.isArray(value)) return value.slice(0, reasonsLimit).flatMap(reasonsOfJson);
  if (!isObject(value)) return [];
  const { errors, error } = value;
  if (Array.isArray(errors) && errors.length > 0) return errors.slice(0, reasonsLimit).flatMap(reasonsOfJson);
  if (isObject(errors)) return reasonsOfJson(errors);
  if (isObject(error)) return reasonsOfJson(error);
  return reasonOf(value);
}

/** Reads the fields of an error. Each server uses some of these names. */
function reasonOf(value: Json): Reason[] {
  const first = (...names: string[]) => names.map((name) => wordOf(value[name])).find((word) => word !== undefined);
  const code = first('code', '__type', 'error') ?? first('reason');
  const message = first('message', 'Message', 'msg', 'error_description', 'details', 'title', 'description', 'reason');
  const detail = first('detail') ?? detailOf(value['detail']);
  // A number is Artifactory's only code. Other servers send a string such as "ERROR" here.
  const status = typeof value['status'] === 'number' ? String(value['status']) : undefined;
  if (code === undefined && message === undefined && detail === undefined) return [];
  return [{ code: code ?? status, message: message === code ? undefined : message, detail }];
}

function wordOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

/** Renders a `detail`, which may have any form. Ignores an empty one. */
function detailOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return undefined;
  return JSON.stringify(value).slice(0, lookLimit);
}

function describe({ code, message, detail }: Reason, show: (part: string) => string): string {
  const parts: string[] = [];
  for (const part of [code, message, detail]) {
    const shown = show(part ?? '');
    if (shown !== '' && !parts.some((before) => before.includes(shown))) parts.push(shown);
  }
  return parts.join(': ');
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,6})|(\w{2,6}));/g, (whole, code: string | undefined, name: string | undefined) =>
    code === undefined ? (entities[name ?? ''] ?? whole) : String.fromCodePoint(Math.min(Number(code), 0x10ffff)),
  );
}
