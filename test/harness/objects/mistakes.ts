import type { ObjectKind } from '../../../functions/harness/objects/object.ts';

const without = (line: RegExp) => (yaml: string) => yaml.replace(line, '');
const put = (from: string | RegExp, to: string) => (yaml: string) => {
  const changed = yaml.replace(from, to);
  if (changed === yaml) throw new Error(`the sample lacks ${from}`);
  return changed;
};

/** A change of a sample, and the place where the problem is. */
type Case = [name: string, kind: ObjectKind, change: (yaml: string) => string, path: string];

const twoStrategies = put('maxConcurrency: 5 }', 'maxConcurrency: 5 }\n              parallelism: 2');
const besideTemplate = put('        template:\n', '        strategy: { parallelism: 2 }\n        template:\n');
const stages = '$.pipeline.stages';

/** Mistakes that the schemas of Harness do not find. */
export const missedBySchemas: Case[] = [
  ['an unknown key of a pipeline', 'pipeline', put('timeout: 3h', 'timeOut: 3h'), '$.pipeline.timeOut'],
  [
    'an unknown key of a stage',
    'pipeline',
    put('type: Custom', 'type: Custom\n        wen: x'),
    `${stages}[0].stage.wen`,
  ],
  ['a missing identifier', 'pipeline', without(/ {2}identifier: image_factory\n/), '$.pipeline.identifier'],
  ['a missing name', 'pipeline', without(/ {2}name: Harness.*\n/), '$.pipeline.name'],
  ['a missing organization', 'pipeline', without(/ {2}orgIdentifier.*\n/), '$.pipeline.orgIdentifier'],
  ['a missing project', 'pipeline', without(/ {2}projectIdentifier.*\n/), '$.pipeline.projectIdentifier'],
  ['missing stages', 'pipeline', without(/ {2}stages:[\s\S]*/), stages],
  ['two strategies', 'pipeline', twoStrategies, `${stages}[1].stage.template.templateInputs.strategy`],
  ['a strategy beside a template', 'pipeline', besideTemplate, `${stages}[1].stage.strategy`],
  [
    'an unknown action after a failure',
    'pipeline',
    put('{ type: MarkAsFailure }', '{ type: GiveUp }'),
    `${stages}[0].stage.spec.execution.steps[0].step.failureStrategies[0].onFailure.action.spec.onRetryFailure.action.type`,
  ],
  [
    'a number of retries that is an expression',
    'pipeline',
    put('retryCount: 120', 'retryCount: <+pipeline.variables.x>'),
    `${stages}[0].stage.spec.execution.steps[0].step.failureStrategies[0].onFailure.action.spec.retryCount`,
  ],
  [
    'two stages of one identifier',
    'pipeline',
    put('identifier: build_push', 'identifier: factory'),
    `${stages}[1].stage.identifier`,
  ],
  ['a default that is not allowed', 'pipeline', put('default(K8)', 'default(k8)'), '$.pipeline.variables[1].value'],
  ['a missing pipeline', 'trigger', without(/ {2}pipelineIdentifier.*\n/), '$.trigger.pipelineIdentifier'],
  ['a missing expression', 'trigger', put(', expression: 0 2 * * *', ''), '$.trigger.source.spec.spec.expression'],
  ['a bogus expression', 'trigger', put('0 2 * * *', 'at noon'), '$.trigger.source.spec.spec.expression'],
  ['a bogus kind of expression', 'trigger', put('type: UNIX', 'type: CRON'), '$.trigger.source.spec.spec.type'],
  [
    'input sets beside inputs',
    'trigger',
    (yaml) => `${yaml}  inputYaml: 'pipeline: { identifier: image_factory }'\n`,
    '$.trigger.inputSetRefs',
  ],
  [
    'a reserved word as identifier',
    'pipeline',
    put('identifier: image_factory', 'identifier: account'),
    '$.pipeline.identifier',
  ],
];

/** Mistakes of kinds without a schema, and mistakes that a schema finds where it is here. */
export const otherMistakes: Case[] = [
  ['a missing pipeline', 'inputSet', without(/ {4}identifier: image_factory\n/), '$.inputSet.pipeline.identifier'],
  ['no inputs', 'inputSet', without(/ {2}pipeline:[\s\S]*/), '$.inputSet.pipeline'],
  ['a value that is no text', 'inputSet', put('"false"', 'false'), '$.inputSet.pipeline.variables[1].value'],
  ['a name with a comma', 'inputSet', put('factory defaults', 'factory, defaults'), '$.inputSet.name'],
  ['an identifier with a hyphen', 'inputSet', put('identifier: image_', 'identifier: image-'), '$.inputSet.identifier'],
  [
    'inputs of another pipeline',
    'trigger',
    put('inputSetRefs: [image_factory_defaults]', "inputYaml: 'pipeline: { identifier: other }'"),
    '$.trigger.inputYaml.pipeline.identifier',
  ],
  [
    'inputs that are not YAML',
    'trigger',
    put('inputSetRefs: [image_factory_defaults]', "inputYaml: '['"),
    '$.trigger.inputYaml',
  ],
  ['no input set', 'trigger', put('[image_factory_defaults]', '[]'), '$.trigger.inputSetRefs'],
  ['a state that is no boolean', 'trigger', put('enabled: true', 'enabled: "yes"'), '$.trigger.enabled'],
  ['a label with a slash', 'template', put('versionLabel: v1', 'versionLabel: v/1'), '$.template.versionLabel'],
  ['a project without an organization', 'template', without(/ {2}orgIdentifier.*\n/), '$.template.orgIdentifier'],
  ['no spec', 'template', without(/ {2}spec:[\s\S]*/), '$.template.spec'],
  ['no steps', 'template', without(/ {6}execution:[\s\S]*/), '$.template.spec.spec.execution.steps'],
  ['two users', 'connector', put('username: AWS', 'username: AWS, usernameRef: x'), '$.connector.spec.auth.spec'],
  [
    'an unknown provider',
    'connector',
    put('providerType: Other', 'providerType: Google'),
    '$.connector.spec.providerType',
  ],
  ['an address with a login', 'connector', put('https://reg', 'https://me@reg'), '$.connector.spec.dockerRegistryUrl'],
  ['a value in the text', 'secret', put('valueType: Inline', 'valueType: Inline, value: x'), '$.secret.spec.value'],
  ['a file', 'secret', put('SecretText', 'SecretFile'), '$.secret.type'],
  ['a reference without its name', 'secret', put('Inline', 'Reference'), '$.secret.spec.value'],
  ['tags in a list', 'secret', put('  type: SecretText', '  type: SecretText\n  tags: [a]'), '$.secret.tags'],
  ['a text that YAML 1.1 reads as true', 'secret', put('name: ECR pull password', 'name: yes'), '$.secret.name'],
  [
    'a text that YAML 1.1 reads as a number',
    'inputSet',
    put('value: registry.example.com/harness', 'value: 12:30'),
    '$.inputSet.pipeline.variables[0].value',
  ],
];
