import { parseJson, required, unprocessable } from './parameters.ts';
import type { ApiRequest } from './request.ts';
import { invalid, success, violation, type Answer } from './responses.ts';

interface PermissionCheck {
  permission?: unknown;
  resourceType?: unknown;
  resourceIdentifier?: unknown;
  resourceScope?: { accountIdentifier?: unknown; orgIdentifier?: unknown; projectIdentifier?: unknown } | null;
}

/** POST `/gateway/authz/api/acl`: what the key may do, one verdict for each question. Needs no permission itself. */
export function checkAccess({ body, grant, query }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  const { permissions } = (parseJson(body) ?? {}) as { permissions?: unknown };
  if (permissions === undefined || permissions === null) throw violation('permissions');
  if (!Array.isArray(permissions)) throw unprocessable('Cannot deserialize value of type `java.util.ArrayList`');
  const accessControlList = (permissions as PermissionCheck[]).map(
    ({ permission, resourceType, resourceIdentifier = null, resourceScope }, index) => {
      if (typeof permission !== 'string') throw violation(`permissions[${index}].permission`, 'must not be empty');
      if (typeof resourceType !== 'string') throw violation(`permissions[${index}].resourceType`, 'must not be empty');
      const accountIdentifier = resourceScope?.accountIdentifier ?? resourceIdentifier;
      if (accountIdentifier !== grant.accountId)
        throw invalid('Checking permissions for another account is not allowed');
      const { orgIdentifier = null, projectIdentifier = null } = resourceScope ?? {};
      const scope = { accountIdentifier, orgIdentifier, projectIdentifier };
      const permitted = (grant.permissions as string[]).includes(permission);
      return { permission, resourceScope: scope, resourceType, resourceIdentifier, permitted };
    },
  );
  const principal = { principalIdentifier: 'factory', principalType: 'SERVICE_ACCOUNT' };
  return success({ principal, accessControlList });
}
