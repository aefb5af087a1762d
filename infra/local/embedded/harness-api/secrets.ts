import { authorize } from './authentication.ts';
import { objectOf, required, scopeOf, text, unprocessable } from './parameters.ts';
import type { ApiRequest } from './request.ts';
import { error, notFound, success, violation, type Answer } from './responses.ts';
import { isInScope, type AccountState, type ObjectScope, type SecretDocument } from './state.ts';

/** GET `/gateway/ng/api/v2/secrets/{identifier}`: everything of a secret but its value. */
export function getSecret(identifier: string, { grant, query, account, quirks }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  authorize(grant, 'core_secret_view', identifier);
  const secret = find(account, identifier, scopeOf(Object.fromEntries(query)));
  if (!secret) throw notFound(quirks.notFoundCode, `Secret with identifier [${identifier}] is not found`);
  return success({ secret: described(secret), draft: false, governanceMetadata: null });
}

/**
 * PUT `/gateway/ng/api/v2/secrets/{identifier}`: replaces name, tags, description and value of a text secret. Query and
 * body name its scope, and must agree.
 */
export function updateSecret(identifier: string, { grant, query, body, account, quirks }: ApiRequest): Answer {
  required(query, 'accountIdentifier');
  const { secret: requested } = objectOf(body);
  if (requested === undefined || requested === null) throw violation('secret');
  const change = parse(requested);
  const scope = scopeOf(Object.fromEntries(query));
  authorize(grant, 'core_secret_edit', identifier);
  const stored = find(account, identifier, scope);
  if (!stored) throw invalid('No such secret found, please check identifier/scope and try again.');
  if (!isInScope(change, scope)) throw invalid('Invalid request, scope in payload and params do not match.');
  if (change.identifier !== identifier) throw invalid('The identifier of a secret cannot be changed');
  if (change.type !== stored.type) throw invalid('The type of a secret cannot be changed');
  if (change.spec.secretManagerIdentifier !== stored.spec.secretManagerIdentifier)
    throw invalid('The secret manager of a secret cannot be changed');
  if (quirks.policyDeniesSecrets)
    return success({ governanceMetadata: { status: 'error', deny: true, message: 'denied by a policy', details: [] } });
  // Assumption: without a value the secret keeps the one it has, as in the UI.
  const value = change.spec.value || stored.spec.value;
  const secret = { ...change, spec: { ...change.spec, value } };
  account.secrets[account.secrets.indexOf(stored)] = secret;
  return success({ secret: described(secret), draft: false, governanceMetadata: null });
}

function find(account: AccountState, identifier: string, scope: ObjectScope): SecretDocument | undefined {
  return account.secrets.find((secret) => secret.identifier === identifier && isInScope(secret, scope));
}

function described({ spec, ...secret }: SecretDocument): object {
  const { orgIdentifier = null, projectIdentifier = null, description = null, tags = {} } = secret;
  return { ...secret, orgIdentifier, projectIdentifier, description, tags, spec: { ...spec, value: null } };
}

function parse(requested: unknown): SecretDocument {
  if (typeof requested !== 'object' || Array.isArray(requested)) throw unprocessable('Cannot construct a secret');
  const { description, tags, spec, ...rest } = requested as Record<string, unknown>;
  const named = (name: string) => text(rest[name]) ?? refuse(`secret.${name}`);
  if (typeof spec !== 'object' || spec === null) throw violation('secret.spec');
  const { secretManagerIdentifier, valueType, value } = spec as Record<string, unknown>;
  if (valueType !== 'Inline' && valueType !== 'Reference')
    throw unprocessable('valueType must be one of Inline, Reference');
  return {
    type: named('type'),
    name: named('name'),
    identifier: named('identifier'),
    ...scopeOf(rest),
    ...(typeof description === 'string' && { description }),
    ...(typeof tags === 'object' && tags !== null && { tags: tags as Record<string, string> }),
    spec: {
      secretManagerIdentifier: text(secretManagerIdentifier) ?? refuse('secret.spec.secretManagerIdentifier'),
      valueType,
      value: text(value) ?? '',
    },
  };
}

function invalid(message: string): Error {
  return error(400, 'INVALID_REQUEST', message);
}

function refuse(fieldId: string): never {
  throw violation(fieldId);
}
