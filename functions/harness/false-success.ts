import { isObject } from '../text/json.ts';

/**
 * Returns the reason if a policy of the account denied a write. Harness then responds with HTTP 200 and stores nothing
 * (harness/harness-core, NGSecretResourceV2 and PipelineResourceImpl).
 */
export function policyDenial(data: unknown): string | undefined {
  const verdict = isObject(data) ? data['governanceMetadata'] : undefined;
  if (!isObject(verdict)) return undefined;
  const { status, deny, message } = verdict;
  if (status !== 'error' && deny !== true) return undefined;
  return typeof message === 'string' && message !== '' ? message : 'no reason given';
}

/**
 * Returns the reasons if Harness found errors in the YAML of a trigger or input set. It then responds with HTTP 200 and
 * stores nothing (harness/harness-core, NGTriggerResponseDTO and InputSetResponseDTOPMS).
 */
export function errorResponse(data: unknown): string | undefined {
  if (!isObject(data) || data['errorResponse'] !== true) return undefined;
  const reasons = textsIn(data['errors'] ?? data['inputSetErrorWrapper']);
  return reasons.slice(0, 10).join('; ') || 'no reason given';
}

/** Returns the texts of a map or list of any depth, each with its key. */
function textsIn(value: unknown, key = ''): string[] {
  if (typeof value === 'string') return [key === '' ? value : `${key}: ${value}`];
  if (Array.isArray(value)) return value.flatMap((item: unknown) => textsIn(item, key));
  return isObject(value) ? Object.entries(value).flatMap(([name, item]) => textsIn(item, name)) : [];
}
