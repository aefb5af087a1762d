import type { IncomingHttpHeaders } from 'node:http';
import { error, invalid } from './responses.ts';

/** Everything that this API asks for. */
export const allPermissions = [
  'core_account_view',
  'core_account_edit',
  'core_connector_view',
  'core_connector_edit',
  'core_secret_view',
  'core_secret_edit',
  'core_connector_delete',
  'core_secret_delete',
  'core_pipeline_view',
  'core_pipeline_edit',
  'core_pipeline_delete',
  'core_pipeline_execute',
  'core_template_view',
  'core_template_edit',
  'core_template_delete',
] as const;

export type Permission = (typeof allPermissions)[number];

export interface KeyGrant {
  key: string;
  accountId: string;
  permissions: Permission[];
}

/** Returns the grant of the sending key. `Harness-Account` or either spelling in the query names the account. */
export function authenticate(headers: IncomingHttpHeaders, query: URLSearchParams, keys: KeyGrant[]): KeyGrant {
  const header = headers['harness-account'];
  const accountId = (typeof header === 'string' && header) || query.get('accountId') || query.get('accountIdentifier');
  if (!accountId) throw invalid('Account detail is not present in the request');
  const key = headers['x-api-key'];
  if (!key) throw error(401, 'INVALID_TOKEN', 'Invalid API key or incorrect JWT');
  const grant = keys.find((g) => g.key === key && g.accountId === accountId);
  if (!grant) throw error(401, 'INVALID_TOKEN', `Invalid token or token expired for account ${accountId}`);
  return grant;
}

/** Throws 403 when the key lacks a permission on the account, or on the object that is named. */
export function authorize(grant: KeyGrant, permission: Permission, resourceIdentifier = grant.accountId): void {
  if (grant.permissions.includes(permission)) return;
  const resourceType = permission.split('_')[1]?.toUpperCase();
  const resourceScope = { accountIdentifier: grant.accountId, orgIdentifier: null, projectIdentifier: null };
  throw error(403, 'NG_ACCESS_DENIED', `Missing permission ${permission} on ${resourceType?.toLowerCase()}`, {
    failedPermissionChecks: [{ permission, resourceType, resourceScope, resourceIdentifier }],
  });
}
