import * as z from 'zod';
import { isObject, parseJson } from '../text/json.ts';
import { own } from '../text/own.ts';

const text = z.string().optional().catch(undefined);
const list = <T extends z.ZodObject>(item: T) => z.array(item.nullable().catch(null)).catch([]);

/** The envelope of every response of a Harness service. Errors come in several shapes; all their parts are optional. */
const schema = z
  .object({
    status: text,
    data: z.unknown().optional(),
    /** `INVALID_REQUEST`, `NG_ACCESS_DENIED`, …; a number in responses of the framework below Harness. */
    code: z
      .union([z.string(), z.number().transform(String)])
      .optional()
      .catch(undefined),
    message: text,
    correlationId: text,
    // The other parts of an error (harness/harness-core, ErrorDTO and FailureDTO).
    detailedMessage: text,
    responseMessages: list(z.object({ message: text })),
    errors: list(z.object({ fieldId: text, error: text, message: text })),
    failedPermissionChecks: list(z.object({ permission: text })),
  })
  .transform(({ detailedMessage, responseMessages, errors, failedPermissionChecks, ...envelope }) => {
    const fields = errors.slice(0, 10).map((field) => {
      const reason = field?.error ?? field?.message;
      return reason !== undefined && field?.fieldId !== undefined ? `${field.fieldId}: ${reason}` : reason;
    });
    const causes = responseMessages.slice(0, 10).map((cause) => cause?.message);
    return {
      ...envelope,
      /** Further reasons beside the message: of single fields, and of causes. */
      details: [detailedMessage, ...causes, ...fields].flatMap((reason) => reason || []),
      /** The permissions that the key lacks, in a 403. */
      missingPermissions: failedPermissionChecks.flatMap((check) => check?.permission ?? []),
    };
  });
export type Envelope = z.output<typeof schema>;

/** Parses the body of a response; `undefined` when it is not a JSON object. */
export function parseEnvelope(body: string): Envelope | undefined {
  return schema.safeParse(jsonOf(body)).data;
}

/** Parses the body of a success of a service without envelopes. It may be empty. `undefined`: it is not JSON. */
export function parseBare(body: string): Envelope | undefined {
  const envelope = parseEnvelope(body);
  if (envelope?.status !== undefined) return envelope;
  const data = jsonOf(body);
  if (data === undefined && body.trim() !== '') return undefined;
  return schema.parse({ status: 'SUCCESS', data });
}

/** Returns `undefined` for text that is not JSON. The parser's error would quote it, and it may contain secrets. */
function jsonOf(body: string): unknown {
  try {
    return parseJson(body);
  } catch {
    return undefined;
  }
}

/** Returns whether Harness obeyed. The IDP service reports a failure as `data: false`, with 200 and SUCCESS. */
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

const outdated = z.array(z.object({ tag: z.string(), version: z.string() }).nullable().catch(null));

/** Returns the versions that the check for outdated versions names, by field; `undefined` when the data is no list. */
export function parseOutdated(data: unknown): Record<string, string> | undefined {
  const found = outdated.safeParse(data).data;
  const entries = found?.map((entry) => [entry && own(checkedFields, entry.tag), entry?.version]);
  return entries && Object.fromEntries(entries.filter(([field]) => field));
}
