import { isObject, parseJson } from '../text/json.ts';
import { own } from '../text/own.ts';

/** The envelope of every response of a Harness service. Errors come in several shapes; all their parts are optional. */
export interface Envelope {
  status?: string;
  data?: unknown;
  /** `INVALID_REQUEST`, `NG_ACCESS_DENIED`, …; a number in responses of the framework below Harness. */
  code?: string;
  message?: string;
  correlationId?: string;
  /** Further reasons beside the message: of single fields, and of causes. */
  details: string[];
  /** The permissions that the key lacks, in a 403. */
  missingPermissions: string[];
}

/** Parses the body of a response; `undefined` when it is not a JSON object. */
export function parseEnvelope(body: string): Envelope | undefined {
  let parsed: unknown;
  try {
    parsed = parseJson(body);
  } catch {
    // The parser's error quotes the body, which may contain secrets.
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const { status, data, code, message, correlationId, failedPermissionChecks } = parsed;
  return {
    ...(typeof status === 'string' && { status }),
    ...(data !== undefined && { data }),
    ...((typeof code === 'string' || typeof code === 'number') && { code: String(code) }),
    ...(typeof message === 'string' && { message }),
    ...(typeof correlationId === 'string' && { correlationId }),
    details: detailsOf(parsed),
    missingPermissions: (Array.isArray(failedPermissionChecks) ? failedPermissionChecks : []).flatMap(
      (check: { permission?: unknown } | null) => (typeof check?.permission === 'string' ? [check.permission] : []),
    ),
  };
}

/**
 * Parses the body of a successful response of a service without envelopes. An empty body is a success without data.
 * Returns `undefined` for a body that is not JSON.
 */
export function parseBare(body: string): Envelope | undefined {
  const envelope = parseEnvelope(body);
  if (envelope?.status !== undefined) return envelope;
  try {
    const data = body.trim() === '' ? {} : { data: parseJson(body) };
    return { status: 'SUCCESS', ...data, details: [], missingPermissions: [] };
  } catch {
    // The parser's error quotes the body, which may contain secrets.
    return undefined;
  }
}

/** Collects the reasons from the other parts of an error (harness/harness-core, ErrorDTO and FailureDTO). */
function detailsOf({ detailedMessage, responseMessages, errors }: Record<string, unknown>): string[] {
  const list = (value: unknown) =>
    (Array.isArray(value) ? (value as unknown[]) : []).slice(0, 10).map(Object) as Record<string, unknown>[];
  const causes = list(responseMessages).map((item) => item['message']);
  const fields = list(errors).map(({ fieldId, error, message }) => {
    const reason = error ?? message;
    return typeof fieldId === 'string' && typeof reason === 'string' ? `${fieldId}: ${reason}` : reason;
  });
  return [detailedMessage, ...causes, ...fields].filter(
    (text): text is string => typeof text === 'string' && text !== '',
  );
}

/**
 * Returns whether Harness carried out the request. The IDP service reports a failure as `data: false`, with status 200
 * and SUCCESS.
 */
export function isSuccess(envelope: Envelope): boolean {
  return envelope.status === 'SUCCESS' && envelope.data !== false;
}

/**
 * Returns a configuration: field to image. The fields depend on the server's version, so any name is accepted; values
 * other than strings are ignored. Returns `undefined` when the data is not a map.
 */
export function parseImages(data: unknown): Record<string, string> | undefined {
  if (!isObject(data)) return undefined;
  return Object.fromEntries(
    Object.entries(data).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** The names of fields in the check for outdated versions (harness/harness-core, CIExecutionConfigService). */
const checkedFields: Readonly<Record<string, string>> = { AddonImage: 'addonTag', LiteEngineImage: 'liteEngineTag' };

/** Returns the versions that the check for outdated versions names, by field; `undefined` when the data is no list. */
export function parseOutdated(data: unknown): Record<string, string> | undefined {
  if (!Array.isArray(data)) return undefined;
  const entries = (data as ({ tag?: unknown; version?: unknown } | null)[]).flatMap((entry) => {
    const field = typeof entry?.tag === 'string' ? own(checkedFields, entry.tag) : undefined;
    return field !== undefined && typeof entry?.version === 'string' ? [[field, entry.version] as const] : [];
  });
  return Object.fromEntries(entries);
}

/** Returns the result for one permission of an access check; `undefined` when the data lacks it. */
export function parsePermitted(data: unknown, permission: string): boolean | undefined {
  const { accessControlList } = (data ?? {}) as { accessControlList?: unknown };
  const checks = Array.isArray(accessControlList) ? (accessControlList as Record<string, unknown>[]) : [];
  const permitted = checks.find((check) => check?.['permission'] === permission)?.['permitted'];
  return typeof permitted === 'boolean' ? permitted : undefined;
}
