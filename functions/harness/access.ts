import * as z from 'zod';
import { expected, type HarnessConnection } from './connection.ts';
import type { ObjectRef } from './object-ref.ts';

/** The types of resources whose permissions the factory checks. */
type ResourceType = 'ACCOUNT' | 'CONNECTOR' | 'PIPELINE' | 'SECRET' | 'TEMPLATE';

/** One question about the key: a permission on an object, or on a scope when there is no identifier. */
export interface PermissionCheck extends Partial<ObjectRef> {
  permission: string;
  resourceType: ResourceType;
}

const text = z.string().nullish().catch(undefined);
const verdict = z.object({
  permission: z.string(),
  resourceType: text,
  resourceIdentifier: text,
  permitted: z.boolean(),
});
const access = z.object({ accessControlList: z.array(verdict.nullable().catch(null)) });

/**
 * Returns the checks that fail: the permissions that the key lacks. Harness's own services make this request before they
 * write (harness/harness-core, ACLResource and NGAccessControlCheck). Self-managed installations may not expose it.
 */
export function lackingPermissions(
  connection: HarnessConnection,
  checks: readonly PermissionCheck[],
  signal?: AbortSignal,
): Promise<PermissionCheck[]> {
  const names = [...new Set(checks.map(({ permission }) => permission))].join(', ');
  const call = connection.call({
    method: 'POST',
    url: connection.url('authz/api/acl'),
    purpose: `check ${names.includes(',') ? 'the permissions' : 'the permission'} ${names}`,
    permission: names,
    body: JSON.stringify({ permissions: checks.map((check) => question(check, connection.accountId)) }),
  });
  const ask = async (): Promise<PermissionCheck[]> => {
    const { data } = await connection.send(call, signal);
    const verdicts = (access.safeParse(data).data?.accessControlList ?? []).filter((given) => given !== null);
    return checks.filter((check) => {
      const found = verdicts.find((given) => answers(given, check));
      return !expected(found, call, 'without an access control list').permitted;
    });
  };
  return connection.withNewerKey(ask, (lacking) => lacking.length === 0);
}

function question(check: PermissionCheck, accountIdentifier: string): object {
  const { permission, resourceType, identifier, orgIdentifier, projectIdentifier } = check;
  const resourceScope = { accountIdentifier, orgIdentifier, projectIdentifier };
  return { resourceScope, resourceType, resourceIdentifier: identifier, permission };
}

/** Returns whether a verdict is about a check. Harness lists the resource beside each permission. */
function answers(given: z.output<typeof verdict>, { permission, resourceType, identifier }: PermissionCheck): boolean {
  return (
    given.permission === permission &&
    (given.resourceType ?? resourceType) === resourceType &&
    (given.resourceIdentifier ?? identifier) === identifier
  );
}
