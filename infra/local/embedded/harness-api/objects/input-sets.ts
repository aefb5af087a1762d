import { authorize } from '../authentication.ts';
import { required } from '../parameters.ts';
import type { ApiRequest } from '../request.ts';
import { duplicate, invalid, success, type Answer } from '../responses.ts';
import type { AccountState, TextDocument } from '../state.ts';
import {
  checkIdentity,
  checkVersion,
  findText,
  forget,
  listOf,
  membersOf,
  mismatch,
  parseBody,
  schemaError,
  store,
  type TextAddress,
  textOf,
} from './document.ts';
import { projectOf } from './pipelines.ts';

/** POST `/gateway/pipeline/api/inputSets`. */
export function createInputSet(request: ApiRequest): Answer {
  const owner = ownerOf(request.query);
  authorize(request.grant, 'core_pipeline_edit', owner.pipelineIdentifier);
  const identifier = checked(request, owner);
  if (findText(request.account, { ...owner, identifier }))
    throw duplicate(`Input set [${identifier}] for Pipeline[${owner.pipelineIdentifier}] already exists`);
  return shown(store(request.account, { ...owner, identifier, yaml: request.body }));
}

/** PUT `/gateway/pipeline/api/inputSets/{identifier}`. */
export function updateInputSet(identifier: string, request: ApiRequest): Answer {
  const owner = ownerOf(request.query);
  authorize(request.grant, 'core_pipeline_edit', owner.pipelineIdentifier);
  const named = checked(request, owner);
  if (named !== identifier) throw mismatch('Input Set identifier', identifier, named);
  const stored = found(request.account, { ...owner, identifier });
  checkVersion(request.headers['if-match'], stored);
  return shown(store(request.account, { ...owner, identifier, yaml: request.body }, stored));
}

/** GET `/gateway/pipeline/api/inputSets/{identifier}`. */
export function getInputSet(identifier: string, { grant, query, account }: ApiRequest): Answer {
  const owner = ownerOf(query);
  authorize(grant, 'core_pipeline_view', owner.pipelineIdentifier);
  return shown(found(account, { ...owner, identifier }));
}

/** DELETE `/gateway/pipeline/api/inputSets/{identifier}`. */
export function deleteInputSet(identifier: string, { grant, query, account, headers }: ApiRequest): Answer {
  const owner = ownerOf(query);
  authorize(grant, 'core_pipeline_delete', owner.pipelineIdentifier);
  const stored = found(account, { ...owner, identifier });
  checkVersion(headers['if-match'], stored);
  forget(account, stored);
  return success(true);
}

function ownerOf(query: URLSearchParams) {
  const project = projectOf(query);
  return { kind: 'inputSet' as const, ...project, pipelineIdentifier: required(query, 'pipelineIdentifier') };
}

/** Harness sends the general code for an input set that does not exist, with status 400. */
function found(account: AccountState, address: TextAddress): TextDocument {
  const stored = findText(account, address);
  if (stored) return stored;
  throw invalid(`InputSet with the given ID: ${address.identifier} does not exist or has been deleted`);
}

function shown({ identifier, pipelineIdentifier, yaml, version, remote }: TextDocument): Answer {
  const storeType = remote ? 'REMOTE' : 'INLINE';
  return success({ identifier, pipelineIdentifier, inputSetYaml: yaml, version, storeType, errorResponse: false });
}

/** Requires the pipeline, and a runtime input of it for each variable. */
function checked({ body, account }: ApiRequest, owner: ReturnType<typeof ownerOf>): string {
  const inputSet = parseBody(body, 'inputSet');
  const identifier = checkIdentity(inputSet, 'inputSet', owner);
  const { pipelineIdentifier } = owner;
  const inputs = membersOf(inputSet['pipeline']);
  if (!inputs) throw schemaError('$.inputSet.pipeline: is missing but it is required');
  const named = textOf(inputs['identifier']);
  if (named !== pipelineIdentifier) throw mismatch('Pipeline identifier', pipelineIdentifier, named ?? 'null');
  const pipeline = findText(account, {
    ...owner,
    kind: 'pipeline',
    identifier: pipelineIdentifier,
    pipelineIdentifier: undefined,
  });
  if (!pipeline) throw invalid(`Pipeline with the given ID: ${pipelineIdentifier} does not exist or has been deleted`);
  const wrong = wrongInput(inputs['variables'], pipeline);
  if (wrong !== undefined) throw invalid(`Some fields in the Input Set are invalid: pipeline.variables.${wrong}`);
  return identifier;
}

/** Returns the name of a variable that is no runtime input of the pipeline. */
function wrongInput(variables: unknown, pipeline: TextDocument): string | undefined {
  const inputs = new Set(
    listOf(parseBody(pipeline.yaml, 'pipeline')['variables'])
      .map(membersOf)
      .filter((variable) => textOf(variable?.['value'])?.startsWith('<+input>'))
      .map((variable) => variable?.['name']),
  );
  const names = listOf(variables).map((variable) => String(membersOf(variable)?.['name']));
  return names.find((name) => !inputs.has(name));
}
