import { authorize } from './authentication.ts';
import { namesSecret } from './connectors.ts';
import { required, requiredText, scopedObject, scopeOf, text, unprocessable } from './parameters.ts';
import type { ApiRequest } from './request.ts';
import { duplicate, invalid, notFound, referenced, success, type Answer } from './responses.ts';
import { findInScope, isInScope, type SecretDocument } from './state.ts';

/** GET `/gateway/ng/api/v2/secrets/{identifier}`: everything of a secret but its value. */
export function getSecret(identifier: string, { grant, query, account, quirks }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  authorize(grant, 'core_secret_view', identifier);
  const secret = findInScope(account.secrets, identifier, scopeOf(Object.fromEntries(query)));
  if (!secret) throw notFound(quirks.notFoundCode, `Secret with identifier [${identifier}] is not found`);
  return success({ secret: described(secret), draft: false, governanceMetadata: null });
}

/** POST `/gateway/ng/api/v2/secrets`: creates a text secret in the scope that query and body name. */
export function createSecret({ grant, query, body, account, quirks }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  const secret = parse(body);
  const scope = scopeOf(Object.fromEntries(query));
  authorize(grant, 'core_secret_edit');
  if (!isInScope(secret, scope)) throw invalid('Invalid request, scope in payload and params do not match.');
  if (secret.spec.value === '') throw invalid('value cannot be empty');
  if (findInScope(account.secrets, secret.identifier, scope))
    throw duplicate(`Secret with identifier ${secret.identifier} already exists in this scope`);
  if (quirks.policyDeniesSecrets) return denied();
  account.secrets.push(secret);
  return success({ secret: described(secret), draft: false, governanceMetadata: null });
}

/** DELETE `/gateway/ng/api/v2/secrets/{identifier}`. A secret that a connector names is not deleted. */
export function deleteSecret(identifier: string, { grant, query, account, quirks }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  authorize(grant, 'core_secret_delete', identifier);
  const stored = findInScope(account.secrets, identifier, scopeOf(Object.fromEntries(query)));
  if (!stored) throw notFound(quirks.notFoundCode, `Secret with identifier [${identifier}] is not found`);
  const user = account.connectors.find((connector) => namesSecret(connector, stored));
  if (user) throw referenced('secret', identifier, `connector ${user.identifier}`);
  account.secrets.splice(account.secrets.indexOf(stored), 1);
  return success(true);
}

/**
 * PUT `/gateway/ng/api/v2/secrets/{identifier}`: replaces name, tags, description and value of a text secret. Query and
 * body name its scope, and must agree.
 */
export function updateSecret(identifier: string, { grant, query, body, account, quirks }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  const change = parse(body);
  const scope = scopeOf(Object.fromEntries(query));
  authorize(grant, 'core_secret_edit', identifier);
  const stored = findInScope(account.secrets, identifier, scope);
  if (!stored) throw invalid('No such secret found, please check identifier/scope and try again.');
  if (!isInScope(change, scope)) throw invalid('Invalid request, scope in payload and params do not match.');
  if (change.identifier !== identifier) throw invalid('The identifier of a secret cannot be changed');
  if (change.type !== stored.type) throw invalid('The type of a secret cannot be changed');
  if (change.spec.secretManagerIdentifier !== stored.spec.secretManagerIdentifier)
    throw invalid('The secret manager of a secret cannot be changed');
  if (quirks.policyDeniesSecrets) return denied();
  // Assumption: without a value the secret keeps the one it has, as in the UI.
  const value = change.spec.value || stored.spec.value;
  const secret = { ...change, spec: { ...change.spec, value } };
  account.secrets[account.secrets.indexOf(stored)] = secret;
  return success({ secret: described(secret), draft: false, governanceMetadata: null });
}

/** The answer to a write that a policy denies. Nothing is stored. */
function denied(): Answer {
  return success({ governanceMetadata: { status: 'error', deny: true, message: 'denied by a policy', details: [] } });
}

function described({ spec, ...secret }: SecretDocument): object {
  const { orgIdentifier = null, projectIdentifier = null, description = null, tags = {} } = secret;
  return { ...secret, orgIdentifier, projectIdentifier, description, tags, spec: { ...spec, value: null } };
}

function parse(body: string): SecretDocument {
  const secret = scopedObject(body, 'secret');
  const { secretManagerIdentifier, valueType, value } = secret.spec;
  if (valueType !== 'Inline' && valueType !== 'Reference')
    throw unprocessable('valueType must be one of Inline, Reference');
  return {
    ...secret,
    spec: {
      secretManagerIdentifier: requiredText(secretManagerIdentifier, 'secret.spec.secretManagerIdentifier'),
      valueType,
      value: text(value) ?? '',
    },
  };
}
