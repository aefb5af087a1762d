import { FactoryError, type Problem } from '../../../functions/errors.ts';
import { render } from '../../../functions/settings/problems.ts';
import { isObject } from '../../../functions/text/json.ts';
import type { TemplateReference } from './template-reference.ts';

/** A stage template of Harness that keeps the contract of docs/harness-pipelines.md. */
export interface StageTemplate {
  reference: TemplateReference;
  /** The type of the stage: `Custom`, `CI`. */
  type: string;
  /** The variables of the contract that the template takes. */
  variables: readonly string[];
  /** The step with the images that passed. Only for `GATHER_SCAN_TEMPLATE`. */
  result: ResultStep | undefined;
}

/** The place of an output variable in a stage. */
interface ResultStep {
  expression: (stage: string) => string;
}

interface Contract {
  variable: 'GATHER_SCAN_TEMPLATE' | 'BUILD_PUSH_TEMPLATE';
  /** The runtime inputs that the template must have, and those that it may have. */
  required: readonly string[];
  optional: readonly string[];
  /** The stage is run once for each image. */
  loops: boolean;
  /** The step whose output variable `images` has the images that passed. */
  result?: string;
}

export const contracts = {
  gatherScan: { variable: 'GATHER_SCAN_TEMPLATE', required: ['images'], optional: [], loops: false, result: 'passed' },
  buildPush: { variable: 'BUILD_PUSH_TEMPLATE', required: ['image'], optional: ['source', 'target'], loops: true },
} as const satisfies Record<string, Contract>;

/**
 * Checks a template as Harness stores it, and returns how to use it.
 *
 * @param document the template below its root key
 * @throws {FactoryError} `InvalidConfiguration` with everything in which it breaks the contract.
 */
export function stageTemplate(
  name: keyof typeof contracts,
  reference: TemplateReference,
  document: Readonly<Record<string, unknown>>,
): StageTemplate {
  const contract: Contract = contracts[name];
  const problems: Problem[] = [];
  const problem = (path: string, found: unknown, allowed: string) =>
    problems.push({ path: `template.${path}`, found: render(found), allowed });
  const spec = isObject(document['spec']) ? document['spec'] : {};
  const { type, when, strategy } = spec;
  if (document['type'] !== 'Stage') problem('type', document['type'], 'Stage');
  if (typeof type !== 'string') problem('spec.type', type, 'the type of a stage, such as Custom');
  const inputs = inputsOf(spec);
  for (const variable of contract.required)
    if (!inputs.has(`variables.${variable}`))
      problem('spec.variables', [...inputs.keys()], `a variable "${variable}" with the value <+input>`);
  const condition = isObject(when) ? when['condition'] : undefined;
  if (!isInput(condition))
    problem('spec.when.condition', condition, '<+input>: the pipeline skips the stage when no image is left');
  if (contract.loops && !isInput(strategy))
    problem('spec.strategy', strategy, '<+input>: the pipeline loops over the images');
  const known = new Set([
    'when.condition',
    ...(contract.loops ? ['strategy'] : []),
    ...[...contract.required, ...contract.optional].map((variable) => `variables.${variable}`),
  ]);
  for (const [path, value] of inputs)
    if (!known.has(path)) problem(`spec.${path}`, value, 'a fixed value: the pipeline has no other inputs');
  const path = contract.result === undefined ? undefined : pathOfStep(spec, contract.result, 'images');
  if (contract.result !== undefined && path === undefined)
    problem(
      'spec.execution.steps',
      undefined,
      `a step "${contract.result}" with an output variable "images": the images that passed`,
    );
  if (problems.length > 0)
    throw new FactoryError(
      'InvalidConfiguration',
      `the template ${reference.templateRef} of ${contract.variable} does not keep its contract`,
      { hint: 'Change the template as docs/harness-pipelines.md describes, or name another one.', problems },
    );
  const variables = [...contract.required, ...contract.optional].filter((one) => inputs.has(`variables.${one}`));
  return {
    reference,
    type: String(type),
    variables,
    result:
      path === undefined
        ? undefined
        : { expression: (stage) => `<+pipeline.stages.${stage}.spec.${path}.output.outputVariables.images>` },
  };
}

function isInput(value: unknown): boolean {
  return typeof value === 'string' && value.trimStart().startsWith('<+input>');
}

/** Returns the runtime inputs of a stage by path. Variables have their name in it. */
function inputsOf(value: unknown, path = ''): Map<string, unknown> {
  if (isInput(value)) return new Map([[path, value]]);
  const below = Array.isArray(value)
    ? value.map(
        (item: unknown, index) => [nameOf(item) ?? String(index), isVariable(item) ? item['value'] : item] as const,
      )
    : isObject(value)
      ? Object.entries(value)
      : [];
  return new Map(below.flatMap(([name, item]) => [...inputsOf(item, path === '' ? name : `${path}.${name}`)]));
}

function isVariable(item: unknown): item is Record<string, unknown> {
  return isObject(item) && 'name' in item && 'value' in item;
}

function nameOf(item: unknown): string | undefined {
  return isVariable(item) && typeof item['name'] === 'string' ? item['name'] : undefined;
}

/** Returns the path of a step with an output variable, through groups, for an expression. */
function pathOfStep(spec: Readonly<Record<string, unknown>>, identifier: string, output: string): string | undefined {
  // The spec of a template is a stage: `spec.spec.execution.steps`.
  const inner = isObject(spec['spec']) ? spec['spec'] : {};
  const execution = isObject(inner['execution']) ? inner['execution'] : {};
  return search(execution['steps'], 'execution.steps');

  function search(steps: unknown, path: string): string | undefined {
    for (const item of Array.isArray(steps) ? (steps as unknown[]) : []) {
      if (!isObject(item)) continue;
      const { step, stepGroup: group, parallel } = item;
      if (isObject(step) && step['identifier'] === identifier && hasOutput(step, output))
        return `${path}.${identifier}`;
      const inGroup =
        isObject(group) && typeof group['identifier'] === 'string'
          ? search(group['steps'], `${path}.${group['identifier']}.steps`)
          : undefined;
      const found = inGroup ?? search(parallel, path);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function hasOutput({ spec }: Readonly<Record<string, unknown>>, output: string): boolean {
  const variables = isObject(spec) ? spec['outputVariables'] : undefined;
  return Array.isArray(variables) && variables.some((variable) => isObject(variable) && variable['name'] === output);
}
