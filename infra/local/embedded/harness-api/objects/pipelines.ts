import { authorize } from '../authentication.ts';
import { required, scopeOf } from '../parameters.ts';
import type { ApiRequest } from '../request.ts';
import { duplicate, invalid, notFound, success, type Answer } from '../responses.ts';
import type { ObjectScope, TextDocument } from '../state.ts';
import { checkIdentity, findText, forget, mismatch, parseBody, store } from './document.ts';
import { checkPipeline } from './pipeline-rules.ts';

/** POST `/gateway/pipeline/api/pipelines/v2`. */
export function createPipeline(request: ApiRequest): Answer {
  const scope = projectOf(request.query);
  authorize(request.grant, 'core_pipeline_edit');
  const identifier = checked(request, scope);
  if (findText(request.account, { kind: 'pipeline', identifier, ...scope }))
    throw duplicate(
      `Pipeline [${identifier}] under Project[${scope.projectIdentifier}] already exists or has been deleted.`,
    );
  if (request.quirks.policyDeniesPipelines) return denied();
  store(request.account, { kind: 'pipeline', identifier, ...scope, yaml: request.body });
  return written(identifier);
}

/** PUT `/gateway/pipeline/api/pipelines/v2/{identifier}`. The version is ignored for pipelines that are stored inline. */
export function updatePipeline(identifier: string, request: ApiRequest): Answer {
  const scope = projectOf(request.query);
  authorize(request.grant, 'core_pipeline_edit', identifier);
  const named = checked(request, scope);
  if (named !== identifier) throw mismatch('Pipeline identifier', identifier, named);
  const stored = findText(request.account, { kind: 'pipeline', identifier, ...scope });
  if (!stored) throw invalid(`Pipeline [${identifier}] couldn't be updated or doesn't exist.`);
  if (request.quirks.policyDeniesPipelines) return denied();
  store(request.account, { kind: 'pipeline', identifier, ...scope, yaml: request.body }, stored);
  return written(identifier);
}

/** GET `/gateway/pipeline/api/pipelines/{identifier}`. */
export function getPipeline(identifier: string, { grant, query, account }: ApiRequest): Answer {
  const scope = projectOf(query);
  authorize(grant, 'core_pipeline_view', identifier);
  const stored = findText(account, { kind: 'pipeline', identifier, ...scope });
  if (!stored) throw absent(identifier);
  return success({
    yamlPipeline: stored.yaml,
    resolvedTemplatesPipelineYaml: null,
    entityValidityDetails: { valid: !stored.invalid, invalidYaml: stored.invalid ? stored.yaml : null },
    storeType: stored.remote ? 'REMOTE' : 'INLINE',
    version: stored.version,
    gitDetails: null,
  });
}

/** DELETE `/gateway/pipeline/api/pipelines/{identifier}`: the input sets and triggers of the pipeline go with it. */
export function deletePipeline(identifier: string, { grant, query, account }: ApiRequest): Answer {
  const scope = projectOf(query);
  authorize(grant, 'core_pipeline_delete', identifier);
  const stored = findText(account, { kind: 'pipeline', identifier, ...scope });
  if (!stored) throw absent(identifier);
  forget(account, stored, ...account.texts.filter((text) => belongsTo(text, stored)));
  return success(true);
}

/** Reads the project that the query must name. */
export function projectOf(query: URLSearchParams): Required<ObjectScope> {
  for (const name of ['accountIdentifier', 'orgIdentifier', 'projectIdentifier']) required(query, name);
  const { orgIdentifier = '', projectIdentifier = '' } = scopeOf(Object.fromEntries(query));
  return { orgIdentifier, projectIdentifier };
}

function belongsTo(text: TextDocument, pipeline: TextDocument): boolean {
  return (
    text.pipelineIdentifier === pipeline.identifier &&
    text.orgIdentifier === pipeline.orgIdentifier &&
    text.projectIdentifier === pipeline.projectIdentifier
  );
}

function checked({ body, account }: ApiRequest, scope: ObjectScope): string {
  const pipeline = parseBody(body, 'pipeline');
  const identifier = checkIdentity(pipeline, 'pipeline', scope);
  checkPipeline(pipeline, account, scope);
  return identifier;
}

function written(identifier: string): Answer {
  return success({ identifier, governanceMetadata: { deny: false, status: 'pass', message: '', details: [] } });
}

/** The answer to a write that a policy denies. Nothing is stored. */
function denied(): Answer {
  const details = [{ deny: true, policySetName: 'standards' }];
  return success({
    identifier: null,
    governanceMetadata: { deny: true, status: 'error', message: 'denied by a policy', details },
  });
}

function absent(identifier: string): Error {
  return notFound('ENTITY_NOT_FOUND', `Pipeline with the given ID: ${identifier} does not exist or has been deleted`);
}
