import { authorize } from './authentication.ts';
import { required, requiredText, scopedObject, scopeOf, text, unprocessable } from './parameters.ts';
import type { ApiRequest } from './request.ts';
import { invalid, notFound, success, violation, type Answer } from './responses.ts';
import {
  findInScope,
  type AccountState,
  type ConnectorDocument,
  type ObjectScope,
  type SecretDocument,
} from './state.ts';

/** GET `/gateway/ng/api/connectors/{identifier}`: the scope is that of the query, never a wider one. */
export function getConnector(identifier: string, { grant, query, account, quirks }: ApiRequest): Answer {
  const accountIdentifier = required(query, 'accountIdentifier');
  authorize(grant, 'core_connector_view', identifier);
  const scope = scopeOf(Object.fromEntries(query));
  const connector = findInScope(account.connectors, identifier, scope);
  if (connector) return success(described(connector));
  const { orgIdentifier: org, projectIdentifier: project } = scope;
  const place = ['account', accountIdentifier, org && `organization ${org}`, project && `project ${project}`];
  const message = `Connector with identifier [${identifier}] in ${place.filter(Boolean).join(' ')} not found`;
  throw notFound(quirks.notFoundCode, message);
}

/**
 * PUT `/gateway/ng/api/connectors`: replaces a whole connector. Identifier and scope are in the body. The service also
 * reads YAML; this one reads JSON alone.
 */
export function updateConnector({ grant, query, body, account }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  const connector = scopedObject(body, 'connector');
  authorize(grant, 'core_connector_edit', connector.identifier);
  const stored = findInScope(account.connectors, connector.identifier, connector);
  if (!stored) throw invalid(`No connector exists with the identifier ${connector.identifier}`);
  // Assumption: no public source shows the response to a changed type.
  if (stored.type !== connector.type) throw invalid(`The type of connector ${connector.identifier} cannot be changed`);
  if (connector.type === 'DockerRegistry') checkDockerSpec(connector, account);
  account.connectors[account.connectors.indexOf(stored)] = connector;
  return success(described(connector));
}

/** POST `/gateway/ng/api/connectors`: creates a connector in the scope of the body. */
export function createConnector({ grant, query, body, account }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  const connector = scopedObject(body, 'connector');
  authorize(grant, 'core_connector_edit');
  if (findInScope(account.connectors, connector.identifier, connector))
    throw invalid(`Connector ${connector.identifier} already exists. Please enter a unique ID`);
  if (connector.type === 'DockerRegistry') checkDockerSpec(connector, account);
  account.connectors.push(connector);
  return success(described(connector));
}

/** DELETE `/gateway/ng/api/connectors/{identifier}`. */
export function deleteConnector(identifier: string, { grant, query, account, quirks }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  authorize(grant, 'core_connector_delete', identifier);
  const stored = findInScope(account.connectors, identifier, scopeOf(Object.fromEntries(query)));
  if (!stored) throw notFound(quirks.notFoundCode, `No connector found with identifier ${identifier}`);
  account.connectors.splice(account.connectors.indexOf(stored), 1);
  return success(true);
}

/** Returns whether a Docker connector logs in with a secret. */
export function namesSecret({ spec, ...scope }: ConnectorDocument, secret: SecretDocument): boolean {
  const { spec: login } = (spec['auth'] ?? {}) as { spec?: Record<string, unknown> | null };
  return [login?.['passwordRef'], login?.['usernameRef']].some((reference) => {
    const named = text(reference);
    return named !== undefined && findSecret(named, scope, [secret]) !== undefined;
  });
}

/** The response to reads and writes. Harness shows what is absent as `null`. */
function described(connector: ConnectorDocument): object {
  const { identifier, name, type, spec, description = null, tags = {} } = connector;
  const { orgIdentifier = null, projectIdentifier = null } = connector;
  return {
    connector: { name, identifier, description, orgIdentifier, projectIdentifier, tags, type, spec },
    status: { status: 'SUCCESS', errorSummary: null, errors: [] },
    harnessManaged: identifier === 'harnessImage' && orgIdentifier === null,
  };
}

const providerTypes = ['DockerHub', 'Harbor', 'Quay', 'Other'];

/** Requires what the schema of Docker connectors requires, and that the secrets exist that it names. */
function checkDockerSpec({ spec, ...scope }: ConnectorDocument, account: AccountState): void {
  requiredText(spec['dockerRegistryUrl'], 'connector.spec.dockerRegistryUrl');
  if (!providerTypes.includes(String(spec['providerType'])))
    throw unprocessable(`providerType must be one of ${providerTypes.join(', ')}`);
  const { type, spec: login } = (spec['auth'] ?? {}) as { type?: unknown; spec?: Record<string, unknown> | null };
  if (type === 'Anonymous') return;
  if (type !== 'UsernamePassword') throw violation('connector.spec.auth');
  const names = [login?.['username'], login?.['usernameRef']].filter((name) => text(name) !== undefined);
  if (names.length !== 1) throw invalid('Exactly one of username and usernameRef must be given');
  const passwordRef = requiredText(login?.['passwordRef'], 'connector.spec.auth.spec.passwordRef');
  for (const reference of [passwordRef, text(login?.['usernameRef'])])
    if (reference !== undefined) checkSecret(reference, scope, account);
}

function checkSecret(reference: string, scope: ObjectScope, account: AccountState): void {
  if (!findSecret(reference, scope, account.secrets)) throw invalid(`Secret ${reference} does not exist`);
}

/** Resolves `account.x` and `org.x` to their scope, and a bare name to that of the connector. */
function findSecret(
  reference: string,
  { orgIdentifier, projectIdentifier }: ObjectScope,
  secrets: SecretDocument[],
): SecretDocument | undefined {
  const [, prefix = '', identifier = ''] = /^(?:(account|org)\.)?(.+)$/.exec(reference) ?? [];
  const scope = {
    ...(prefix !== 'account' && orgIdentifier !== undefined && { orgIdentifier }),
    ...(prefix === '' && projectIdentifier !== undefined && { projectIdentifier }),
  };
  return findInScope(secrets, identifier, scope);
}
