/** An object within the account: in a project, in an organization, or in the account itself when neither is given. */
export interface ObjectRef {
  identifier: string;
  orgIdentifier?: string;
  projectIdentifier?: string;
}

/** Resolves `account.x` and `org.x` to their scope, and a bare identifier to the given project or organization. */
export function parseObjectRef(reference: string, orgId: string | undefined, projectId: string | undefined): ObjectRef {
  const [first = '', ...rest] = reference.split('.');
  if (first === 'account' && rest.length > 0) return { identifier: rest.join('.') };
  const org = orgId !== undefined && { orgIdentifier: orgId };
  if (first === 'org' && rest.length > 0) return { identifier: rest.join('.'), ...org };
  return { identifier: reference, ...org, ...(projectId !== undefined && { projectIdentifier: projectId }) };
}
