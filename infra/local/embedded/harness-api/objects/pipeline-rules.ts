import { invalid } from '../responses.ts';
import type { AccountState, ObjectScope } from '../state.ts';
import { findText, listOf, type Members, membersOf, parseBody, schemaError, textOf } from './document.ts';

/** Checks what Harness checks of a pipeline before it saves it: stages, steps, variables, and the templates it names. */
export function checkPipeline(pipeline: Members, account: AccountState, scope: ObjectScope): void {
  checkVariables(pipeline['variables']);
  if (membersOf(pipeline['template'])) return resolveTemplate(pipeline, account, scope);
  const stages = listOf(pipeline['stages']);
  if (stages.length === 0) throw schemaError('$.pipeline.stages: is missing but it is required');
  checkNodes(stages, 'stage', (stage) => checkStage(stage, account, scope));
}

/** Checks the spec of a stage template. */
export function checkStageSpec(stage: Members, account: AccountState, scope: ObjectScope): void {
  checkVariables(stage['variables']);
  checkStrategy(stage['strategy']);
  const type = textOf(stage['type']);
  if (type === undefined) throw schemaError('$.type: is missing but it is required');
  const spec = membersOf(stage['spec']);
  if (!spec) throw schemaError('$.spec: is missing but it is required');
  if (type !== 'Custom' && type !== 'CI') return;
  const steps = listOf(membersOf(spec['execution'])?.['steps']);
  if (steps.length === 0) throw schemaError('$.spec.execution.steps: is missing but it is required');
  checkNodes(steps, 'step', (step) => checkStep(step, account, scope));
}

/** Checks the nodes of a list, those that run in parallel too. Identifiers are unique in the list. */
function checkNodes(list: unknown[], kind: 'stage' | 'step', check: (node: Members) => void): void {
  const nodes = list.flatMap((item) => {
    const parallel = membersOf(item)?.['parallel'];
    return parallel === undefined ? [item] : listOf(parallel);
  });
  const seen = new Set<string>();
  for (const item of nodes) {
    const wrapper = membersOf(item);
    const node = membersOf(wrapper?.[kind]) ?? (kind === 'step' ? membersOf(wrapper?.['stepGroup']) : undefined);
    if (!node) throw schemaError(`$.${kind}s: must contain ${kind}`);
    const identifier = textOf(node['identifier']);
    if (identifier === undefined || !/^[a-zA-Z_][\w$]{0,127}$/.test(identifier))
      throw schemaError(`$.${kind}.identifier: does not match the regex pattern`);
    if (textOf(node['name']) === undefined) throw schemaError(`$.${kind}.name: is missing but it is required`);
    if (seen.has(identifier)) throw invalid(`Duplicate identifier: ${identifier}`);
    seen.add(identifier);
    check(node);
  }
}

function checkStage(stage: Members, account: AccountState, scope: ObjectScope): void {
  if (membersOf(stage['template'])) resolveTemplate(stage, account, scope);
  else checkStageSpec(stage, account, scope);
}

function checkStep(step: Members, account: AccountState, scope: ObjectScope): void {
  checkFailures(step['failureStrategies']);
  if (membersOf(step['template'])) return resolveTemplate(step, account, scope);
  checkStrategy(step['strategy']);
  const steps = step['steps'];
  if (steps !== undefined) return checkNodes(listOf(steps), 'step', (inner) => checkStep(inner, account, scope));
  if (textOf(step['type']) === undefined) throw schemaError('$.step.type: is missing but it is required');
  if (step['type'] !== 'Http') return;
  const spec = membersOf(step['spec']);
  for (const key of ['url', 'method'])
    if (textOf(spec?.[key]) === undefined) throw schemaError(`$.step.spec.${key}: is missing but it is required`);
  if (textOf(step['timeout']) === undefined) throw schemaError('$.step.timeout: is missing but it is required');
}

function checkVariables(variables: unknown): void {
  for (const item of listOf(variables)) {
    const variable = membersOf(item);
    if (textOf(variable?.['name']) === undefined) throw schemaError('$.variables.name: is missing but it is required');
    if (variable?.['type'] === 'String' && typeof variable['value'] !== 'string')
      throw schemaError(`$.variables.${String(variable['name'])}.value: must be a string`);
  }
}

function checkStrategy(strategy: unknown): void {
  const kinds = ['matrix', 'repeat', 'parallelism'].filter((kind) => membersOf(strategy)?.[kind] !== undefined);
  if (membersOf(strategy) && kinds.length !== 1)
    throw invalid('Only one of matrix, parallelism and repeat can be given in a strategy');
}

function checkFailures(failures: unknown): void {
  for (const item of listOf(failures)) {
    const action = membersOf(membersOf(membersOf(item)?.['onFailure'])?.['action']);
    if (textOf(action?.['type']) === undefined)
      throw schemaError('$.failureStrategies.onFailure.action.type: is missing');
    if (action?.['type'] !== 'Retry') continue;
    const spec = membersOf(action['spec']);
    if (typeof spec?.['retryCount'] !== 'number') throw invalid('Retry count must be a fixed number');
    const after = membersOf(membersOf(spec['onRetryFailure'])?.['action'])?.['type'];
    if (after === 'Retry') throw invalid('Retry action cannot be the action after retries');
  }
}

/** Finds the template of a node, and checks that its inputs exist there. */
function resolveTemplate(node: Members, account: AccountState, scope: ObjectScope): void {
  if (node['strategy'] !== undefined) throw invalid('strategy is not allowed beside a template');
  const link = membersOf(node['template']) ?? {};
  const reference = textOf(link['templateRef']);
  if (reference === undefined) throw schemaError('$.template.templateRef: is missing but it is required');
  const versionLabel = textOf(link['versionLabel']);
  const stored = findTemplate(account, reference, versionLabel, scope);
  if (!stored)
    throw invalid(
      `Template with the given Identifier: ${reference} and ${versionLabel === undefined ? 'stable versionLabel' : `versionLabel: ${versionLabel}`} does not exist or has been deleted`,
    );
  const inputs = link['templateInputs'];
  const spec = parseBody(stored.yaml, 'template')['spec'];
  if (inputs !== undefined) checkInputs(inputs, spec, 'templateInputs');
}

/** Resolves `account.x` and `org.x` to their scope, and a bare identifier to that of the pipeline. */
function findTemplate(account: AccountState, reference: string, versionLabel: string | undefined, scope: ObjectScope) {
  const [, prefix = '', identifier = ''] = /^(?:(account|org)\.)?(.+)$/.exec(reference) ?? [];
  const { orgIdentifier, projectIdentifier } = scope;
  const address = {
    kind: 'template' as const,
    identifier,
    ...(prefix !== 'account' && orgIdentifier !== undefined && { orgIdentifier }),
    ...(prefix === '' && projectIdentifier !== undefined && { projectIdentifier }),
  };
  if (versionLabel !== undefined) return findText(account, { ...address, versionLabel });
  return account.texts.find(
    (text) => text.stable && findText(account, { ...address, versionLabel: text.versionLabel }) === text,
  );
}

/** Returns whether a pipeline names a template, in any version when none is given. */
export function namesTemplate(value: unknown, reference: string, versionLabel: string | undefined): boolean {
  if (Array.isArray(value)) return value.some((item) => namesTemplate(item, reference, versionLabel));
  const members = membersOf(value);
  if (!members) return false;
  const named = members['templateRef'] === reference;
  const version = textOf(members['versionLabel']);
  if (named && (version === undefined || version === versionLabel)) return true;
  return Object.values(members).some((member) => namesTemplate(member, reference, versionLabel));
}

/** Requires that each input takes the place of an `<+input>` of the template, or repeats what is there. */
function checkInputs(inputs: unknown, template: unknown, path: string): void {
  if (typeof template === 'string' && template.startsWith('<+input>')) return;
  const [given, known] = [membersOf(inputs), membersOf(template)];
  if (given && known) {
    for (const [key, value] of Object.entries(given)) checkInputs(value, known[key], `${path}.${key}`);
  } else if (Array.isArray(inputs) && Array.isArray(template)) {
    for (const item of inputs as unknown[])
      checkInputs(
        item,
        template.find((other) => isSame(item, other)),
        path,
      );
  } else if (inputs !== template) throw invalid(`Invalid template inputs: ${path} is no input of the template`);
}

function isSame(one: unknown, other: unknown): boolean {
  const [a, b] = [membersOf(one), membersOf(other)];
  if (!a || !b) return one === other;
  if (a['name'] !== undefined || a['identifier'] !== undefined)
    return a['name'] === b['name'] && a['identifier'] === b['identifier'];
  return Object.keys(a).some((key) => isSame(a[key], b[key]));
}
