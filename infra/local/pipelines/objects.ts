import { type HarnessObject, harnessObject, type HarnessObjectRef } from '../../../functions/harness/objects/object.ts';
import { printYaml } from '../../../functions/harness/objects/yaml.ts';
import { stageOfRun, stagesOfSync, type Templates } from './stages.ts';
import { ownSecrets, type PipelineSettings } from './settings.ts';
import type { Yaml } from './steps.ts';

/** The tag of every object that the factory made. */
export const ownTag = { managed_by: 'harness-ci-image-factory' } as const;

const ids = {
  factory: 'harness_ci_image_factory',
  reset: 'harness_ci_image_factory_reset',
  inputSet: 'harness_ci_image_factory_defaults',
  trigger: 'harness_ci_image_factory_schedule',
  template: 'harness_ci_image_factory_stage',
};

/** The version of the stage template. A new one is needed only where its inputs change. */
const versionLabel = 'v1';

/** Returns all objects, in order of creation: each names only those before it. */
export function renderObjects(settings: PipelineSettings, templates: Templates): HarnessObject[] {
  return [
    ...(settings.createsSecret ? [secret(settings)] : []),
    ...(settings.imageConnector ? [imageConnector(settings, settings.imageConnector)] : []),
    stageTemplate(settings),
    factoryPipeline(settings, templates),
    resetPipeline(settings),
    inputSet(settings),
    ...(settings.schedule === undefined ? [] : [trigger(settings, settings.schedule)]),
  ];
}

/** The token of the webhook, or the API key of runs on a delegate. The text never has the value. */
function secret({ scope, secret: identifier, via }: PipelineSettings): HarnessObject {
  return rendered('secret', {
    type: 'SecretText',
    name: via === 'webhook' ? 'Image factory token' : 'Image factory key',
    identifier,
    ...scope,
    tags: ownTag,
    spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline' },
  });
}

/** The connector through which Harness pulls its images. Harness looks for this identifier in the account. */
function imageConnector(
  { defaults: { registry }, via, delegateSelectors }: PipelineSettings,
  { passwordRef }: { passwordRef: string | undefined },
): HarnessObject {
  const login = passwordRef && { type: 'UsernamePassword', spec: { username: 'AWS', passwordRef } };
  return rendered('connector', {
    name: 'Harness Docker Connector',
    identifier: 'harnessImage',
    tags: ownTag,
    type: 'DockerRegistry',
    spec: {
      dockerRegistryUrl: `https://${registry}`,
      providerType: 'Other',
      auth: login ?? { type: 'Anonymous' },
      executeOnDelegate: via === 'delegate',
      ...(via === 'delegate' && delegateSelectors.length > 0 && { delegateSelectors }),
    },
  });
}

function stageTemplate(settings: PipelineSettings): HarnessObject {
  const { type, spec } = stageOfRun(settings, 'stage');
  return rendered('template', {
    name: 'Harness CI Image Factory',
    identifier: ids.template,
    versionLabel,
    type: 'Stage',
    ...settings.scope,
    tags: ownTag,
    spec: { type, variables: runtimeInputs(settings), spec },
  });
}

function factoryPipeline(settings: PipelineSettings, templates: Templates): HarnessObject {
  return rendered('pipeline', {
    name: 'Harness CI Image Factory',
    identifier: ids.factory,
    ...settings.scope,
    tags: ownTag,
    timeout: '6h',
    variables: runtimeInputs(settings),
    stages: stagesOfSync(settings, templates).map((stage) => ({ stage })),
  });
}

function resetPipeline(settings: PipelineSettings): HarnessObject {
  return rendered('pipeline', {
    name: 'Harness CI Image Factory - Reset Images to Harness',
    identifier: ids.reset,
    ...settings.scope,
    tags: ownTag,
    timeout: '3h',
    variables: runtimeInputs(settings),
    stages: [{ stage: stageOfRun(settings, 'pipeline', 'reset') }],
  });
}

function inputSet({ scope, defaults }: PipelineSettings): HarnessObject {
  return rendered('inputSet', {
    name: 'Harness CI Image Factory defaults',
    identifier: ids.inputSet,
    ...scope,
    tags: ownTag,
    pipeline: {
      identifier: ids.factory,
      variables: [
        { name: 'registry', type: 'String', value: defaults.registry },
        { name: 'infrastructure_type', type: 'String', value: defaults.infrastructureType },
        { name: 'include_windows_rootless', type: 'String', value: String(defaults.includeWindowsRootless) },
      ],
    },
  });
}

function trigger({ scope }: PipelineSettings, expression: string): HarnessObject {
  return rendered('trigger', {
    name: 'Harness CI Image Factory schedule',
    identifier: ids.trigger,
    enabled: true,
    ...scope,
    tags: ownTag,
    pipelineIdentifier: ids.factory,
    source: { type: 'Scheduled', spec: { type: 'Cron', spec: { type: 'UNIX', expression } } },
    inputSetRefs: [ids.inputSet],
  });
}

/** Returns the addresses of everything that the factory may have registered in a project. */
export function ownRefs(
  scope: PipelineSettings['scope'],
  { imageConnector = false }: { imageConnector?: boolean | undefined } = {},
): HarnessObjectRef[] {
  const { factory: pipelineIdentifier } = ids;
  return [
    ...Object.values(ownSecrets).map((identifier) => ({ kind: 'secret' as const, identifier, ...scope })),
    ...(imageConnector ? [{ kind: 'connector' as const, identifier: 'harnessImage' }] : []),
    { kind: 'template', identifier: ids.template, versionLabel, ...scope },
    { kind: 'pipeline', identifier: ids.factory, ...scope },
    { kind: 'pipeline', identifier: ids.reset, ...scope },
    { kind: 'inputSet', identifier: ids.inputSet, pipelineIdentifier, ...scope },
    { kind: 'trigger', identifier: ids.trigger, pipelineIdentifier, ...scope },
  ];
}

/** Returns the three variables that the original pipelines have, as runtime inputs. */
function runtimeInputs({ defaults }: PipelineSettings): Yaml[] {
  const { registry, infrastructureType, includeWindowsRootless } = defaults;
  const input = (name: string, value: string, allowed?: string) => ({
    name,
    type: 'String',
    required: true,
    value: `<+input>.default(${value})${allowed === undefined ? '' : `.allowedValues(${allowed})`}`,
  });
  return [
    input('registry', registry),
    input('infrastructure_type', infrastructureType, 'K8,VM'),
    input('include_windows_rootless', String(includeWindowsRootless), 'true,false'),
  ];
}

function rendered(kind: HarnessObject['ref']['kind'], document: Yaml): HarnessObject {
  return harnessObject(printYaml({ [kind]: document }));
}
