import { parseJson } from '../text/json.ts';

/** What every Harness service wraps its answers in. Errors come in several shapes; all their parts are optional. */
export interface Envelope {
  status?: string;
  data?: unknown;
  /** `INVALID_REQUEST`, `NG_ACCESS_DENIED`, …; a number in answers of the framework below Harness. */
  code?: string;
  message?: string;
  correlationId?: string;
  /** What it says beyond the message: of single fields, and of causes. */
  details: string[];
  /** Of a 403: the permissions the key lacks. */
  missingPermissions: string[];
}

/** Reads an answer's text; `undefined` when it is not a JSON object. */
export function parseEnvelope(body: string): Envelope | undefined {
  let parsed: unknown;
  try {
    parsed = parseJson(body);
  } catch {
    // The parser's own error quotes the body, which may hold anything.
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const document = parsed as Record<string, unknown>;
  const { status, data, code, message, correlationId, failedPermissionChecks } = document;
  return {
    ...(typeof status === 'string' && { status }),
    ...(data !== undefined && { data }),
    ...((typeof code === 'string' || typeof code === 'number') && { code: String(code) }),
    ...(typeof message === 'string' && { message }),
    ...(typeof correlationId === 'string' && { correlationId }),
    details: detailsOf(document),
    missingPermissions: (Array.isArray(failedPermissionChecks) ? failedPermissionChecks : []).flatMap(
      (check: { permission?: unknown } | null) => (typeof check?.permission === 'string' ? [check.permission] : []),
    ),
  };
}

/** The other places where Harness puts its reasons (harness/harness-core, ErrorDTO and FailureDTO). */
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
 * Whether Harness did what it was asked. `data: false` is how the IDP service says that it did not, under status 200
 * and SUCCESS.
 */
export function isSuccess(envelope: Envelope): boolean {
  return envelope.status === 'SUCCESS' && envelope.data !== false;
}

/**
 * A configuration: field to image. The fields depend on the server's version, so the map is open; what is not a string
 * is ignored. `undefined` when the data is no map at all.
 */
export function parseImages(data: unknown): Record<string, string> | undefined {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return undefined;
  return Object.fromEntries(
    Object.entries(data).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** The answer to one permission of an access check; `undefined` when it is not among the data. */
export function parsePermitted(data: unknown, permission: string): boolean | undefined {
  const { accessControlList } = (data ?? {}) as { accessControlList?: unknown };
  const checks = Array.isArray(accessControlList) ? (accessControlList as Record<string, unknown>[]) : [];
  const permitted = checks.find((check) => check?.['permission'] === permission)?.['permitted'];
  return typeof permitted === 'boolean' ? permitted : undefined;
}
