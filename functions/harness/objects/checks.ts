import type { Problem } from '../../errors.ts';
import { isObject } from '../../text/json.ts';
import { cronProblem } from './cron.ts';
import { Place } from './place.ts';
import { checkStages, checkTemplateSpec, checkVariables } from './stage-checks.ts';
import { ambiguousIn, parseYaml } from './yaml.ts';

type Check = (document: Place) => void;

/** https://developer.harness.io/docs/platform/references/entity-identifier-reference */
const reservedWords = new Set(
  'or and eq ne lt gt le ge div mod not null true false new var return step parallel stepGroup org account status liteEngineTask'.split(
    ' ',
  ),
);

/**
 * Returns the problems of an object's YAML that Harness's own JSON schemas accept, or find only for the kinds that have
 * one: missing names and scopes, unknown keys, references, schedules, strategies. Empty when there are none.
 */
export function problemsOf(yaml: string): Problem[] {
  const problems: Problem[] = [];
  const parsed = parseYaml(yaml);
  const root = new Place(parsed, '$', problems);
  if (!isObject(parsed)) {
    root.problem('text that is not the YAML of one object', 'YAML with one key, such as "pipeline"');
    return problems;
  }
  const [kind = '', ...more] = Object.keys(parsed);
  const check = Object.hasOwn(checks, kind) ? checks[kind] : undefined;
  if (!check || more.length > 0)
    root.problem(
      `the keys ${Object.keys(parsed).join(', ') || 'of nothing'}`,
      `one of ${Object.keys(checks).join(', ')}`,
    );
  else if (!isObject(parsed[kind])) root.at(kind).problem(root.at(kind).shown, 'a map');
  else check(root.at(kind));
  for (const { path, value } of ambiguousIn(yaml)) {
    const place = new Place(value, path, problems);
    place.problem(`${place.shown} without quotes, which YAML 1.1 reads as another value`, 'the value in quotes');
  }
  return problems;
}

const checks: Readonly<Record<string, Check>> = {
  pipeline(pipeline) {
    checkIdentity(pipeline, { project: 'required' });
    pipeline.only(pipelineKeys);
    checkTags(pipeline);
    checkVariables(pipeline.at('variables'));
    if (isObject(pipeline.at('template').value)) checkReference(pipeline.at('template'));
    else checkStages(pipeline.at('stages'));
  },
  inputSet(inputSet) {
    checkIdentity(inputSet, { project: 'required' });
    inputSet.only('name identifier description tags orgIdentifier projectIdentifier pipeline');
    checkTags(inputSet);
    checkInputs(inputSet.at('pipeline'));
  },
  trigger(trigger) {
    checkIdentity(trigger, { project: 'required' });
    trigger.only(triggerKeys);
    checkTags(trigger);
    trigger.text('pipelineIdentifier');
    const enabled = trigger.at('enabled');
    if (enabled.exists && typeof enabled.value !== 'boolean') enabled.problem(enabled.shown, 'true or false');
    checkSource(trigger.at('source'));
    checkTriggerInputs(trigger);
  },
  template(template) {
    checkIdentity(template, { project: 'optional' });
    template.only('name identifier versionLabel type description tags icon orgIdentifier projectIdentifier spec');
    checkTags(template);
    template.matching(
      'versionLabel',
      /^[0-9a-zA-Z][^\s/&]{0,63}$/,
      'a label of at most 64 characters without blanks, / and &',
    );
    template.text('type');
    const spec = template.at('spec');
    if (!isObject(spec.value)) spec.problem(spec.shown, 'a map');
    else if (template.at('type').value === 'Stage') checkTemplateSpec(spec);
  },
  connector(connector) {
    checkIdentity(connector, { project: 'optional' });
    connector.only('name identifier description tags orgIdentifier projectIdentifier type spec');
    checkTags(connector);
    connector.text('type');
    const spec = connector.at('spec');
    if (!isObject(spec.value)) return spec.problem(spec.shown, 'a map');
    if (connector.at('type').value !== 'DockerRegistry') return;
    spec.matching('dockerRegistryUrl', /^https?:\/\/[^\s@?#]+$/, 'an address such as https://registry.example.com');
    spec.oneOf('providerType', ['DockerHub', 'Harbor', 'Quay', 'Other']);
    const auth = spec.at('auth');
    auth.oneOf('type', ['UsernamePassword', 'Anonymous']);
    if (auth.at('type').value !== 'UsernamePassword') return;
    const login = auth.at('spec');
    login.text('passwordRef');
    const users = [login.at('username'), login.at('usernameRef')].filter(({ exists }) => exists);
    if (users.length !== 1) login.problem(`${users.length} of username and usernameRef`, 'exactly one');
  },
  secret(secret) {
    checkIdentity(secret, { project: 'optional' });
    secret.only('name identifier description tags orgIdentifier projectIdentifier type spec');
    checkTags(secret);
    secret.oneOf('type', ['SecretText']);
    const spec = secret.at('spec');
    spec.text('secretManagerIdentifier');
    spec.oneOf('valueType', ['Inline', 'Reference']);
    // The text of an object is shown to people.
    if (spec.at('valueType').value === 'Inline' && spec.at('value').exists)
      spec.at('value').problem('a value in the text', 'the value apart from the text');
    if (spec.at('valueType').value === 'Reference') spec.text('value');
  },
};

const pipelineKeys =
  'name identifier description tags orgIdentifier projectIdentifier timeout variables stages template properties flowControl notificationRules delegateSelectors allowStageExecutions fixedInputsOnRerun';
const triggerKeys =
  'name identifier description tags enabled orgIdentifier projectIdentifier pipelineIdentifier source inputSetRefs inputYaml stagesToExecute pipelineBranchName';

/** Checks names as Harness's schemas of pipelines and templates do, for the kinds without a schema too. */
function checkIdentity(object: Place, { project }: { project: 'required' | 'optional' }): void {
  object.identifier('identifier', object.path === '$.secret');
  const { value } = object.at('identifier');
  if (typeof value === 'string' && reservedWords.has(value))
    object.at('identifier').problem(`the reserved word ${value}`, 'another identifier');
  object.matching(
    'name',
    /^[a-zA-Z_0-9-.][-0-9a-zA-Z_\s.]{0,127}$/,
    'at most 128 letters, digits, blanks, "_", "-" and "."',
  );
  const [org, inProject] = [object.at('orgIdentifier'), object.at('projectIdentifier')];
  if (project === 'required' || inProject.exists) object.text('orgIdentifier');
  if (project === 'required') object.text('projectIdentifier');
  for (const scope of [org, inProject])
    if (scope.exists && typeof scope.value === 'string' && !/^[a-zA-Z_][\w$]{0,127}$/.test(scope.value))
      scope.problem(scope.shown, 'an identifier of Harness');
}

function checkTags(object: Place): void {
  const tags = object.at('tags');
  if (!tags.exists) return;
  if (!isObject(tags.value)) return tags.problem(tags.shown, 'a map of texts');
  for (const name of Object.keys(tags.value))
    if (typeof tags.at(name).value !== 'string') tags.at(name).problem(tags.at(name).shown, 'a text');
}

function checkReference(template: Place): void {
  template.text('templateRef');
}

/** Checks the `pipeline` part of an input set or of a trigger. */
function checkInputs(pipeline: Place): void {
  if (!isObject(pipeline.value)) return pipeline.problem(pipeline.shown, 'the inputs of a pipeline');
  pipeline.identifier('identifier');
  checkVariables(pipeline.at('variables'));
}

function checkSource(source: Place): void {
  source.oneOf('type', ['Scheduled', 'Webhook', 'Artifact', 'Manifest', 'MultiRegionArtifact', 'SystemEvent']);
  if (source.at('type').value !== 'Scheduled') return;
  const schedule = source.at('spec');
  schedule.oneOf('type', ['Cron']);
  const cron = schedule.at('spec');
  cron.text('expression');
  const type = cron.at('type');
  if (type.exists) cron.oneOf('type', ['UNIX', 'QUARTZ']);
  const expression = cron.at('expression').value;
  if (typeof expression !== 'string' || (type.exists && type.value !== 'UNIX' && type.value !== 'QUARTZ')) return;
  const dialect = type.value === 'QUARTZ' ? 'QUARTZ' : 'UNIX';
  const reason = cronProblem(expression, dialect);
  if (reason !== undefined)
    cron
      .at('expression')
      .problem(`${cron.at('expression').shown}: ${reason}`, `a ${dialect} cron expression, such as 0 2 * * *`);
}

function checkTriggerInputs(trigger: Place): void {
  const [refs, text] = [trigger.at('inputSetRefs'), trigger.at('inputYaml')];
  if (refs.exists && text.exists) refs.problem('inputSetRefs beside inputYaml', 'one of the two');
  if (
    refs.exists &&
    !(Array.isArray(refs.value) && refs.value.length > 0 && refs.value.every((ref) => typeof ref === 'string'))
  )
    refs.problem(refs.shown, 'a list of input sets');
  if (!text.exists) return;
  const inputs = typeof text.value === 'string' ? parseYaml(text.value) : undefined;
  if (!isObject(inputs)) return text.problem(text.shown, 'YAML with the key "pipeline"');
  const pipeline = text.inside(inputs).at('pipeline');
  checkInputs(pipeline);
  const [named, own] = [pipeline.at('identifier').value, trigger.at('pipelineIdentifier').value];
  if (typeof named === 'string' && typeof own === 'string' && named !== own)
    pipeline.at('identifier').problem(named, `${own}, the pipeline of the trigger`);
}
