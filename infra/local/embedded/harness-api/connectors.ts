import { authorize } from './authentication.ts';
import { objectOf, required, scopeOf, text, unprocessable } from './parameters.ts';
import type { ApiRequest } from './request.ts';
import { error, notFound, success, violation, type Answer } from './responses.ts';
import { isInScope, type AccountState, type ConnectorDocument, type ObjectScope } from './state.ts';

/** GET `/gateway/ng/api/connectors/{identifier}`: the scope is that of the query, never a wider one. */
export function getConnector(identifier: string, { grant, query, account, quirks }: ApiRequest): Answer {
  const accountIdentifier = required(query, 'accountIdentifier');
  authorize(grant, 'core_connector_view', identifier);
  const scope = scopeOf(Object.fromEntries(query));
  const connector = find(account, identifier, scope);
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
  const { connector: requested } = objectOf(body);
  if (requested === undefined || requested === null) throw violation('connector');
  const connector = parse(requested);
  authorize(grant, 'core_connector_edit', connector.identifier);
  const stored = find(account, connector.identifier, connector);
  if (!stored) throw invalid(`No connector exists with the identifier ${connector.identifier}`);
  // Assumption: no public source shows the response to a changed type.
  if (stored.type !== connector.type) throw invalid(`The type of connector ${connector.identifier} cannot be changed`);
  if (connector.type === 'DockerRegistry') checkDockerSpec(connector, account);
  account.connectors[account.connectors.indexOf(stored)] = connector;
  return success(described(connector));
}

function find(account: AccountState, identifier: string, scope: ObjectScope): ConnectorDocument | undefined {
  return account.connectors.find((c) => c.identifier === identifier && isInScope(c, scope));
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

function parse(requested: unknown): ConnectorDocument {
  if (typeof requested !== 'object' || Array.isArray(requested)) throw unprocessable('Cannot construct a connector');
  const { description, tags, spec, ...rest } = requested as Record<string, unknown>;
  const named = (name: string) => text(rest[name]) ?? refuse(violation(`connector.${name}`));
  if (typeof spec !== 'object' || spec === null) throw violation('connector.spec');
  return {
    identifier: named('identifier'),
    name: named('name'),
    type: named('type'),
    ...scopeOf(rest),
    ...(typeof description === 'string' && { description }),
    ...(typeof tags === 'object' && tags !== null && { tags: tags as Record<string, string> }),
    spec: spec as Record<string, unknown>,
  };
}

const providerTypes = ['DockerHub', 'Harbor', 'Quay', 'Other'];

/** Requires what the schema of Docker connectors requires, and that the secrets exist that it names. */
function checkDockerSpec({ spec, ...scope }: ConnectorDocument, account: AccountState): void {
  if (text(spec['dockerRegistryUrl']) === undefined) throw violation('connector.spec.dockerRegistryUrl');
  if (!providerTypes.includes(String(spec['providerType'])))
    throw unprocessable(`providerType must be one of ${providerTypes.join(', ')}`);
  const { type, spec: login } = (spec['auth'] ?? {}) as { type?: unknown; spec?: Record<string, unknown> | null };
  if (type === 'Anonymous') return;
  if (type !== 'UsernamePassword') throw violation('connector.spec.auth');
  const names = [login?.['username'], login?.['usernameRef']].filter((name) => text(name) !== undefined);
  if (names.length !== 1) throw invalid('Exactly one of username and usernameRef must be given');
  const passwordRef = text(login?.['passwordRef']) ?? refuse(violation('connector.spec.auth.spec.passwordRef'));
  for (const reference of [passwordRef, text(login?.['usernameRef'])])
    if (reference !== undefined) checkSecret(reference, scope, account);
}

/** Resolves `account.x` and `org.x` to their scope, and a bare name to that of the connector. */
function checkSecret(
  reference: string,
  { orgIdentifier, projectIdentifier }: ObjectScope,
  account: AccountState,
): void {
  const [, prefix = '', identifier] = /^(?:(account|org)\.)?(.+)$/.exec(reference) ?? [];
  const scope = {
    ...(prefix !== 'account' && orgIdentifier !== undefined && { orgIdentifier }),
    ...(prefix === '' && projectIdentifier !== undefined && { projectIdentifier }),
  };
  if (account.secrets.some((secret) => secret.identifier === identifier && isInScope(secret, scope))) return;
  throw invalid(`Secret ${reference} does not exist`);
}

function invalid(message: string): Error {
  return error(400, 'INVALID_REQUEST', message);
}

function refuse(reason: Error): never {
  throw reason;
}
