import { authorize } from '../authentication.ts';
import { required } from '../parameters.ts';
import type { ApiRequest } from '../request.ts';
import { invalid, notFound, success, type Answer } from '../responses.ts';
import type { AccountState, TextDocument } from '../state.ts';
import {
  checkIdentity,
  checkVersion,
  findText,
  forget,
  listOf,
  type Members,
  membersOf,
  mismatch,
  parseBody,
  store,
  textOf,
} from './document.ts';
import { projectOf } from './pipelines.ts';

/** POST `/gateway/pipeline/api/triggers`. */
export function createTrigger(request: ApiRequest): Answer {
  const owner = ownerOf(request.query);
  authorize(request.grant, 'core_pipeline_execute', owner.pipelineIdentifier);
  const { identifier, errors } = checked(request, owner);
  if (Object.keys(errors).length > 0) return refused(errors);
  if (findText(request.account, { ...owner, identifier }))
    throw failed(`Trigger [${identifier}] already exists or is soft deleted`);
  return shown(store(request.account, { ...owner, identifier, yaml: request.body }));
}

/** PUT `/gateway/pipeline/api/triggers/{identifier}`. */
export function updateTrigger(identifier: string, request: ApiRequest): Answer {
  const owner = ownerOf(request.query);
  authorize(request.grant, 'core_pipeline_execute', owner.pipelineIdentifier);
  const stored = findText(request.account, { ...owner, identifier });
  if (!stored) throw absent(identifier);
  const { identifier: named, errors } = checked(request, owner);
  if (named !== identifier) throw mismatch('Trigger identifier', identifier, named);
  if (Object.keys(errors).length > 0) return refused(errors);
  checkVersion(request.headers['if-match'], stored);
  return shown(store(request.account, { ...owner, identifier, yaml: request.body }, stored));
}

/** GET `/gateway/pipeline/api/triggers/{identifier}`. */
export function getTrigger(identifier: string, { grant, query, account }: ApiRequest): Answer {
  const owner = ownerOf(query);
  authorize(grant, 'core_pipeline_view', owner.pipelineIdentifier);
  const stored = findText(account, { ...owner, identifier });
  if (!stored) throw absent(identifier);
  return shown(stored);
}

/** DELETE `/gateway/pipeline/api/triggers/{identifier}`. */
export function deleteTrigger(identifier: string, { grant, query, account, headers }: ApiRequest): Answer {
  const owner = ownerOf(query);
  authorize(grant, 'core_pipeline_execute', owner.pipelineIdentifier);
  const stored = findText(account, { ...owner, identifier });
  if (!stored) throw absent(identifier);
  checkVersion(headers['if-match'], stored);
  forget(account, stored);
  return success(true);
}

function ownerOf(query: URLSearchParams) {
  const project = projectOf(query);
  return { kind: 'trigger' as const, ...project, pipelineIdentifier: required(query, 'targetIdentifier') };
}

function shown({ identifier, pipelineIdentifier, yaml, version }: TextDocument): Answer {
  return success({
    identifier,
    targetIdentifier: pipelineIdentifier,
    yaml,
    version,
    enabled: true,
    errorResponse: false,
  });
}

/** The answer to YAML with errors: status 200, and nothing is stored. */
function refused(errors: Record<string, string>): Answer {
  return success({ identifier: null, yaml: null, errorResponse: true, errors });
}

/** Every other failure of a write has this form. */
function failed(reason: string): Error {
  return invalid(`Failed while Saving Trigger: ${reason}`);
}

function absent(identifier: string): Error {
  return notFound('ENTITY_NOT_FOUND', `Trigger ${identifier} does not exist`);
}

function checked({ body, account }: ApiRequest, owner: ReturnType<typeof ownerOf>) {
  const trigger = parseBody(body, 'trigger');
  const identifier = checkIdentity(trigger, 'trigger', owner);
  const { pipelineIdentifier } = owner;
  const named = textOf(trigger['pipelineIdentifier']);
  if (named !== undefined && named !== pipelineIdentifier)
    throw mismatch('pipelineIdentifier', pipelineIdentifier, named);
  const pipeline = {
    ...owner,
    kind: 'pipeline' as const,
    identifier: pipelineIdentifier,
    pipelineIdentifier: undefined,
  };
  if (!findText(account, pipeline)) throw failed(`Pipeline with ID: ${pipelineIdentifier} does not exist`);
  return { identifier, errors: errorsIn(trigger, account, owner) };
}

/** Checks the schedule and the inputs. Returns the errors by place. */
function errorsIn(trigger: Members, account: AccountState, owner: ReturnType<typeof ownerOf>): Record<string, string> {
  const errors: Record<string, string> = {};
  if (textOf(trigger['pipelineIdentifier']) === undefined) errors['trigger.pipelineIdentifier'] = 'must not be empty';
  const source = membersOf(trigger['source']);
  const schedule = membersOf(source?.['spec']);
  const cron = membersOf(schedule?.['spec']);
  if (source?.['type'] === 'Scheduled' && (schedule?.['type'] !== 'Cron' || !isCron(cron)))
    errors['trigger.source.spec.spec.expression'] = 'is not a valid cron expression';
  else if (source?.['type'] === undefined) errors['trigger.source.type'] = 'must not be null';
  const sets = listOf(trigger['inputSetRefs']).map((set) => textOf(set) ?? '');
  if (sets.length > 0 && textOf(trigger['inputYaml']) !== undefined)
    errors['trigger.inputYaml'] = 'cannot be given together with inputSetRefs';
  const missing = sets.find((set) => !findText(account, { ...owner, kind: 'inputSet', identifier: set }));
  if (missing !== undefined) errors['trigger.inputSetRefs'] = `input set ${missing} does not exist`;
  return errors;
}

function isCron(cron: Members | undefined): boolean {
  const expression = textOf(cron?.['expression']);
  const type = cron?.['type'] ?? 'UNIX';
  if (expression === undefined || (type !== 'UNIX' && type !== 'QUARTZ')) return false;
  const fields = expression.trim().split(/\s+/);
  const limits = [59, 23, 31, 12, 7];
  const [least, most] = type === 'UNIX' ? [5, 5] : [6, 7];
  if (fields.length < least || fields.length > most) return false;
  return (type === 'UNIX' ? fields : fields.slice(1)).every((field, index) => {
    if (!/^[\d*,/?\-A-Z#]+$/i.test(field)) return false;
    return [...field.matchAll(/\d+/g)].every(([number]) => Number(number) <= (limits[index] ?? 9_999));
  });
}
