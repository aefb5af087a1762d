import { authorize, type KeyGrant } from './authentication.ts';
import { required } from './parameters.ts';
import { error, success, type Answer } from './responses.ts';
import type { AccountState } from './state.ts';

/** GET `/gateway/ng/api/connectors/{identifier}`: the scope is that of the query, never a wider one. */
export function getConnector(
  identifier: string,
  grant: KeyGrant,
  query: URLSearchParams,
  account: AccountState,
): Answer {
  const accountIdentifier = required(query, 'accountIdentifier');
  authorize(grant, 'core_connector_view');
  const org = query.get('orgIdentifier') ?? undefined;
  const project = query.get('projectIdentifier') ?? undefined;
  const connector = account.connectors.find(
    (c) => c.identifier === identifier && c.orgIdentifier === org && c.projectIdentifier === project,
  );
  if (!connector) {
    const scope = ['account', accountIdentifier, org && `organization ${org}`, project && `project ${project}`];
    const message = `Connector with identifier [${identifier}] in ${scope.filter(Boolean).join(' ')} not found`;
    throw error(400, 'RESOURCE_NOT_FOUND_EXCEPTION', message);
  }
  return success({
    connector,
    status: { status: 'SUCCESS', errorSummary: null, errors: [] },
    harnessManaged: identifier === 'harnessImage' && org === undefined,
  });
}
