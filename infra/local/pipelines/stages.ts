import { formatLocation } from '../../../functions/oci/spec/reference.ts';
import type { PipelineSettings } from './settings.ts';
import { plannedImages, type RunRequest, stepsOf, type Yaml } from './steps.ts';
import type { StageTemplate } from './template-contract.ts';

/** The templates of Harness that take steps of the pipeline over. */
export interface Templates {
  gatherScan?: StageTemplate;
  buildPush?: StageTemplate;
}

/** Keys of an execution input that also hold for a reset. */
const resetKeys = new Set([
  'modules',
  'include_sets',
  'include_fields',
  'exclude_fields',
  'reset_scope',
  'allow_unmatched',
]);

/** Returns the stage that runs one action. Its inputs are variables of the pipeline, or of the stage itself. */
export function stageOfRun(
  settings: PipelineSettings,
  variables: 'pipeline' | 'stage',
  action: 'sync' | 'reset' = 'sync',
): Yaml {
  const kept = Object.entries(settings.input).filter(([key]) => action === 'sync' || resetKeys.has(key));
  const request = { action, input: { ...Object.fromEntries(kept), ...runtimeInputs(variables, action) } };
  return customStage(settings, action === 'sync' ? 'Factory' : 'Reset', request);
}

/**
 * Returns the stages of the factory pipeline: one run, or with templates a plan, the templates over its images, and the
 * switch to the images that passed.
 */
export function stagesOfSync(settings: PipelineSettings, { gatherScan, buildPush }: Templates): Yaml[] {
  if (!gatherScan && !buildPush) return [stageOfRun(settings, 'pipeline')];
  const input = { ...settings.input, ...runtimeInputs('pipeline', 'sync') };
  const planned = plannedImages('plan');
  const passed = gatherScan?.result === undefined ? planned : gatherScan.result.expression('gather_scan');
  const isPlanned = `${planned} != ""`;
  const hasPassed = gatherScan ? `${isPlanned} && ${passed} != ""` : isPlanned;
  return [
    // Built images differ from the official ones, so the plan always finds them to copy. Fields show which are new.
    customStage(settings, 'Plan', {
      action: 'plan',
      input,
      suffix: 'plan',
      list: buildPush ? 'toSwitch' : 'images',
    }),
    ...(gatherScan
      ? [templateStage('Gather and scan', gatherScan, { images: planned }, { condition: isPlanned })]
      : []),
    ...(buildPush
      ? [
          templateStage('Build and push', buildPush, imageInputs(settings), {
            condition: hasPassed,
            strategy: { matrix: { image: `<+${passed}.split(",")>`, maxConcurrency: settings.maxConcurrency } },
          }),
        ]
      : []),
    {
      ...customStage(settings, 'Switch', {
        action: 'sync',
        input: {
          ...input,
          include_fields: passed,
          // The images are at the registry already. The run checks that they are whole, and copies nothing.
          ...(buildPush && { source_registry: '<+pipeline.variables.registry>' }),
        },
        suffix: 'switch',
      }),
      when: { pipelineStatus: 'Success', condition: hasPassed },
    },
  ];
}

/** Returns the variables that `BUILD_PUSH_TEMPLATE` may take, for one image of the loop. */
function imageInputs({ source }: PipelineSettings): Record<string, string> {
  return {
    image: '<+matrix.image>',
    source: `${formatLocation(source)}/<+matrix.image>`,
    target: '<+pipeline.variables.registry>/<+matrix.image>',
  };
}

/** Returns a stage of a template, with the inputs that the template has. */
function templateStage(
  name: string,
  { reference, type, variables }: StageTemplate,
  values: Readonly<Record<string, string>>,
  { condition, strategy }: { condition: string; strategy?: Yaml },
): Yaml {
  return {
    name,
    identifier: name.toLowerCase().replaceAll(' ', '_').replace('_and_', '_'),
    template: {
      ...reference,
      templateInputs: {
        type,
        variables: variables.map((variable) => ({ name: variable, type: 'String', value: values[variable] ?? '' })),
        when: { condition },
        ...(strategy && { strategy }),
      },
    },
  };
}

function customStage(settings: PipelineSettings, name: string, request: RunRequest): Yaml {
  const spec = { execution: { steps: stepsOf(settings, request) } };
  return { name, identifier: name.toLowerCase(), type: 'Custom', spec };
}

/** Returns the inputs of a run that a person chooses at its start. A reset takes no images, so Windows is no input. */
function runtimeInputs(variables: 'pipeline' | 'stage', action: 'sync' | 'reset'): Record<string, string> {
  const value = (name: string) => `<+${variables}.variables.${name}>`;
  return {
    registry: value('registry'),
    infrastructure_type: value('infrastructure_type'),
    ...(action === 'sync' && { include_windows_rootless: value('include_windows_rootless') }),
  };
}
