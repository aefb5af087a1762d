import { authorize } from '../authentication.ts';
import { required, scopeOf } from '../parameters.ts';
import type { ApiRequest } from '../request.ts';
import { invalid, notFound, referenced, success, type Answer } from '../responses.ts';
import type { ObjectScope, TextDocument } from '../state.ts';
import {
  checkIdentity,
  checkVersion,
  findText,
  forget,
  membersOf,
  mismatch,
  parseBody,
  schemaError,
  store,
  textOf,
} from './document.ts';
import { checkStageSpec, namesTemplate } from './pipeline-rules.ts';

/** POST `/gateway/template/api/templates`: a template, or a further version of one. The first version is the stable one. */
export function createTemplate(request: ApiRequest): Answer {
  const { query, account } = request;
  const scope = scopeIn(query);
  authorize(request.grant, 'core_template_edit');
  const { identifier, versionLabel } = checked(request, scope);
  const others = versionsOf(request, identifier, scope);
  if (
    others.some((other) => other.versionLabel === versionLabel) ||
    (others.length > 0 && query.get('isNewTemplate') === 'true')
  )
    throw invalid(`The template with identifier ${identifier} and version label ${versionLabel} already exists`);
  const stable = others.length === 0 || query.get('setDefaultTemplate') === 'true';
  if (stable) for (const other of others) other.stable = false;
  return written(store(account, { kind: 'template', identifier, versionLabel, stable, ...scope, yaml: request.body }));
}

/** PUT `/gateway/template/api/templates/update/{identifier}/{versionLabel}`. */
export function updateTemplate(identifier: string, versionLabel: string, request: ApiRequest): Answer {
  const scope = scopeIn(request.query);
  authorize(request.grant, 'core_template_edit', identifier);
  const named = checked(request, scope);
  if (named.identifier !== identifier) throw mismatch('Template identifier', identifier, named.identifier);
  if (named.versionLabel !== versionLabel) throw mismatch('Template version label', versionLabel, named.versionLabel);
  const stored = findText(request.account, { kind: 'template', identifier, versionLabel, ...scope });
  if (!stored) throw invalid(`Template with identifier ${identifier} and versionLabel ${versionLabel} does not exist`);
  checkVersion(request.headers['if-match'], stored);
  return written(store(request.account, { ...stored, yaml: request.body }, stored));
}

/** GET `/gateway/template/api/templates/{identifier}`: the version that is named, or the stable one. */
export function getTemplate(identifier: string, request: ApiRequest): Answer {
  const scope = scopeIn(request.query);
  authorize(request.grant, 'core_template_view', identifier);
  const versionLabel = request.query.get('versionLabel');
  const stored = versionsOf(request, identifier, scope).find((text) =>
    versionLabel === null ? text.stable : text.versionLabel === versionLabel,
  );
  if (!stored) throw absent(identifier, versionLabel);
  return success(shown(stored));
}

/** DELETE `/gateway/template/api/templates/{identifier}/{versionLabel}`. A version that a pipeline names stays. */
export function deleteTemplate(identifier: string, versionLabel: string, request: ApiRequest): Answer {
  const { account, query } = request;
  const scope = scopeIn(query);
  authorize(request.grant, 'core_template_delete', identifier);
  const stored = findText(account, { kind: 'template', identifier, versionLabel, ...scope });
  if (!stored) throw absent(identifier, versionLabel);
  checkVersion(request.headers['if-match'], stored);
  const prefix = scope.projectIdentifier === undefined ? (scope.orgIdentifier === undefined ? 'account.' : 'org.') : '';
  const user = account.texts.find(
    (text) =>
      text.kind === 'pipeline' && namesTemplate(parseBody(text.yaml, 'pipeline'), prefix + identifier, versionLabel),
  );
  if (user && query.get('forceDelete') !== 'true')
    throw referenced('template', identifier, `pipeline ${user.identifier}`);
  if (stored.stable && versionsOf(request, identifier, scope).length > 1)
    throw invalid('You cannot delete the stable version of the template.');
  forget(account, stored);
  return success(true);
}

function scopeIn(query: URLSearchParams): ObjectScope {
  required(query, 'accountIdentifier');
  return scopeOf(Object.fromEntries(query));
}

function versionsOf({ account }: ApiRequest, identifier: string, scope: ObjectScope): TextDocument[] {
  return account.texts.filter(
    (text) =>
      text.kind === 'template' &&
      findText(account, { kind: 'template', identifier, versionLabel: text.versionLabel, ...scope }) === text,
  );
}

function checked({ body, account }: ApiRequest, scope: ObjectScope): { identifier: string; versionLabel: string } {
  const template = parseBody(body, 'template');
  const identifier = checkIdentity(template, 'template', scope);
  const versionLabel = textOf(template['versionLabel']);
  if (versionLabel === undefined || !/^[0-9a-zA-Z][^\s/&]{0,127}$/.test(versionLabel))
    throw schemaError('$.template.versionLabel: does not match the regex pattern');
  const spec = membersOf(template['spec']);
  if (textOf(template['type']) === undefined || !spec)
    throw schemaError('$.template.spec: is missing but it is required');
  if (template['type'] === 'Stage') checkStageSpec(spec, account, scope);
  return { identifier, versionLabel };
}

function shown({ identifier, versionLabel, stable = false, yaml, version, remote, ...scope }: TextDocument): object {
  const { orgIdentifier = null, projectIdentifier = null, invalid: broken } = scope;
  const entityValidityDetails = { valid: !broken, invalidYaml: null };
  const storeType = remote ? 'REMOTE' : 'INLINE';
  return {
    identifier,
    versionLabel,
    stableTemplate: stable,
    orgIdentifier,
    projectIdentifier,
    yaml,
    version,
    storeType,
    entityValidityDetails,
  };
}

function written(stored: TextDocument): Answer {
  return success({ valid: true, templateResponseDTO: shown(stored) });
}

function absent(identifier: string, versionLabel: string | null): Error {
  const version = versionLabel === null ? 'stable versionLabel' : `versionLabel: ${versionLabel}`;
  return notFound(
    'ENTITY_NOT_FOUND',
    `Template with the given Identifier: ${identifier} and ${version} does not exist or has been deleted`,
  );
}
