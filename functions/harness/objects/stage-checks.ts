import { isObject } from '../../text/json.ts';
import type { Place } from './place.ts';

/** The kinds of actions after a failure (harness/harness-schema, v0, FailureStrategyActionConfig). */
const actions = [
  'Abort',
  'Ignore',
  'ManualIntervention',
  'MarkAsFailure',
  'MarkAsSuccess',
  'PipelineRollback',
  'ProceedWithDefaultValues',
  'Retry',
  'RetryStepGroup',
  'StageRollback',
  'StepGroupRollback',
];
const strategies = ['matrix', 'repeat', 'parallelism'];
const duration = /^[1-9]\d*(?:w|d|h|m|s|ms)(?: ?[1-9]\d*(?:w|d|h|m|s|ms))*$/;

/** Checks a list of stages, with the stages that run in parallel. Their identifiers must differ from each other. */
export function checkStages(stages: Place): void {
  const items = stages.items();
  if (items.length === 0) return stages.problem(stages.shown, 'a list with at least one stage');
  const found = items.flatMap((item) => {
    const parallel = item.at('parallel');
    return parallel.exists ? parallel.items() : [item];
  });
  const nodes = found.map((item) => item.at('stage'));
  for (const stage of nodes) checkStage(stage);
  checkDistinct(nodes);
}

function checkStage(stage: Place): void {
  if (!isObject(stage.value)) return stage.problem(stage.shown, 'a stage');
  stage.only(
    'name identifier description tags type spec template variables when strategy failureStrategies delegateSelectors timeout runMode',
  );
  checkNode(stage);
  checkVariables(stage.at('variables'));
  if (!stage.at('template').exists) checkSteps(stage.at('spec'), stage.at('type').value);
}

/** Checks the spec of a stage template: a stage without name and identifier. */
export function checkTemplateSpec(spec: Place): void {
  spec.only('type spec variables when strategy failureStrategies delegateSelectors timeout runMode tags');
  spec.text('type');
  checkVariables(spec.at('variables'));
  checkStrategy(spec.at('strategy'));
  checkFailures(spec.at('failureStrategies'));
  checkSteps(spec.at('spec'), spec.at('type').value);
}

/** The kinds of stages whose steps are under `execution`, and which need at least one. */
const stagesWithSteps = new Set<unknown>(['Custom', 'CI', 'Deployment', 'Approval', 'IACM', 'SecurityTests']);

function checkSteps(spec: Place, type: unknown): void {
  if (!stagesWithSteps.has(type)) return;
  checkStepList(spec.at('execution').at('steps'));
}

function checkStepList(steps: Place): void {
  const items = steps.items();
  if (items.length === 0) return steps.problem(steps.shown, 'a list with at least one step');
  const nodes = items
    .flatMap((item) => (item.at('parallel').exists ? item.at('parallel').items() : [item]))
    .map((item) => item.at(item.at('stepGroup').exists ? 'stepGroup' : 'step'));
  for (const node of nodes) checkStep(node);
  checkDistinct(nodes);
}

function checkStep(step: Place): void {
  if (!isObject(step.value)) return step.problem(step.shown, 'a step or a stepGroup');
  const isGroup = step.path.endsWith('.stepGroup');
  step.only(
    isGroup
      ? 'name identifier description steps template variables when strategy failureStrategies delegateSelectors sharedPaths stepGroupInfra timeout'
      : 'name identifier description type spec template timeout when strategy failureStrategies enforce',
  );
  checkNode(step, isGroup);
  if (isGroup && !step.at('template').exists) checkStepList(step.at('steps'));
}

/** Checks what stages, steps and step groups have in common. */
function checkNode(node: Place, isGroup = false): void {
  node.identifier('identifier');
  node.text('name');
  const template = node.at('template');
  if (template.exists) {
    template.text('templateRef');
    template.only('templateRef versionLabel templateInputs templateOverrides templateVariables');
    checkStrategy(template.at('templateInputs').at('strategy'));
    const { path } = template;
    for (const key of ['strategy', 'type', 'spec'])
      if (node.at(key).exists) node.at(key).problem(`${key} beside a template`, `${key} in templateInputs of ${path}`);
  } else {
    if (!isGroup) node.text('type');
    checkStrategy(node.at('strategy'));
  }
  const timeout = node.at('timeout');
  if (timeout.exists && !isExpression(timeout.value)) node.matching('timeout', duration, 'a duration such as 10m');
  checkFailures(node.at('failureStrategies'));
}

function checkDistinct(nodes: readonly Place[]): void {
  const seen = new Set<unknown>();
  for (const node of nodes) {
    const identifier = node.at('identifier');
    if (identifier.exists && seen.has(identifier.value))
      identifier.problem(`${identifier.shown} twice`, 'another identifier');
    seen.add(identifier.value);
  }
}

/** Checks that a loop has one kind of strategy. A template may leave it to its users. */
function checkStrategy(strategy: Place): void {
  if (!strategy.exists || isExpression(strategy.value)) return;
  if (!isObject(strategy.value)) return strategy.problem(strategy.shown, 'a strategy');
  const found = strategies.filter((kind) => strategy.at(kind).exists);
  if (found.length !== 1)
    strategy.problem(found.length === 0 ? 'no strategy' : found.join(' and '), `one of ${strategies.join(', ')}`);
  strategy.only(`${strategies.join(' ')} when onFailure`);
}

function checkFailures(failures: Place): void {
  if (!failures.exists || isExpression(failures.value)) return;
  if (failures.items().length === 0) return failures.problem(failures.shown, 'a list of failure strategies');
  for (const failure of failures.items()) checkAction(failure.at('onFailure').at('action'));
}

function checkAction(action: Place): void {
  action.oneOf('type', actions);
  if (action.at('type').value !== 'Retry') return;
  const spec = action.at('spec');
  const { value } = spec.at('retryCount');
  // Harness refuses expressions here.
  if (!(typeof value === 'number' && Number.isInteger(value) && value > 0))
    spec.at('retryCount').problem(spec.at('retryCount').shown, 'a number of retries');
  const intervals = spec.at('retryIntervals');
  if (intervals.items().length === 0) intervals.problem(intervals.shown, 'a list of durations');
  for (const interval of intervals.items())
    if (typeof interval.value !== 'string' || !duration.test(interval.value))
      interval.problem(interval.shown, 'a duration such as 20s');
  const after = spec.at('onRetryFailure').at('action');
  after.oneOf(
    'type',
    actions.filter((name) => name !== 'Retry'),
  );
}

/** Checks variables: their values are texts, and a default is among the allowed values. */
export function checkVariables(variables: Place): void {
  if (!variables.exists) return;
  if (!Array.isArray(variables.value)) return variables.problem(variables.shown, 'a list of variables');
  const names = new Set<unknown>();
  for (const variable of variables.items()) {
    variable.only('name type value default description required');
    variable.matching('name', /^[a-zA-Z_][\w.$-]{0,127}$/, 'the name of a variable');
    variable.oneOf('type', ['String', 'Number', 'Secret']);
    const [name, value] = [variable.at('name'), variable.at('value')];
    if (names.has(name.value)) name.problem(`${name.shown} twice`, 'another name');
    names.add(name.value);
    if (variable.at('type').value === 'String' && typeof value.value !== 'string')
      value.problem(value.shown, 'a text, in quotes');
    if (typeof value.value === 'string') checkInput(value, value.value);
  }
}

/** Checks that the default of a runtime input is among its allowed values. */
function checkInput(place: Place, text: string): void {
  if (!text.startsWith('<+input>')) return;
  const [, fallback] = /\.default\(([^()]*)\)/.exec(text) ?? [];
  const [, allowed] = /\.(?:allowedValues|selectOneFrom)\(([^()]*)\)/.exec(text) ?? [];
  if (fallback === undefined || allowed === undefined || isExpression(fallback) || allowed.includes('<+')) return;
  if (!allowed.split(',').includes(fallback)) place.problem(`the default ${fallback}`, `one of ${allowed}`);
}

function isExpression(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('<+');
}
