import { trimEnd } from '../../../functions/text/trim-end.ts';
import type { PipelineSettings } from './settings.ts';

/** A part of YAML. */
export type Yaml = Readonly<Record<string, unknown>>;

/** One run of the factory, as steps of a stage. */
export interface RunRequest {
  action: 'sync' | 'plan' | 'reset';
  /** The keys of the execution input. Values may be expressions of Harness. */
  input: Readonly<Record<string, unknown>>;
  /** Distinguishes the runs of one pipeline execution. */
  suffix?: string;
  /** The list that a plan passes on: the images to copy or to switch to, or only the latter. */
  list?: 'images' | 'toSwitch';
}

/** The step that ends a run. A plan's list of images is its output variable `images`. */
const lastStep = 'outcome';

/** Returns the expression for the list of images that the plan of another stage passed on. */
export function plannedImages(stage: string): string {
  return `<+pipeline.stages.${stage}.spec.execution.steps.${lastStep}.output.outputVariables.images>`;
}

/** Attempts of the step that polls a run, a minute apart: two hours. */
const polls = 120;

/** Returns the steps that run the factory and end as the run did. */
export function stepsOf(settings: PipelineSettings, request: RunRequest): Yaml[] {
  return settings.via === 'webhook' ? webhookSteps(settings, request) : [delegateStep(settings, request)];
}

/** Returns the steps that start a run at the webhook, poll it until it ends, and fail if it failed. */
function webhookSteps({ url, secret, delegateSelectors }: PipelineSettings, request: RunRequest): Yaml[] {
  const { action, input, suffix, list } = request;
  const token = { key: 'Authorization', value: `Bearer <+secrets.getValue("${secret}")>` };
  const http = (name: string, spec: Yaml, more: Yaml = {}): Yaml => ({
    step: {
      type: 'Http',
      name,
      identifier: name.toLowerCase(),
      timeout: '30s',
      spec: { ...spec, ...(delegateSelectors.length > 0 && { delegateSelectors }) },
      ...more,
    },
  });
  const status = { url: '<+execution.steps.start.output.outputVariables.url>', method: 'GET', headers: [token] };
  return [
    http('Start', {
      url,
      method: 'POST',
      headers: [
        token,
        { key: 'Content-Type', value: 'application/json' },
        { key: 'Idempotency-Key', value: `<+pipeline.executionId>${suffix === undefined ? '' : `-${suffix}`}` },
      ],
      requestBody: JSON.stringify({ action, ...input }),
      assertion: '<+httpResponseCode> == 202',
      outputVariables: [selected('url', 'url')],
    }),
    http(
      'Wait',
      { ...status, assertion: '<+httpResponseCode> == 200 && <+json.select("status", httpResponseBody)> != "RUNNING"' },
      { failureStrategies: [{ onFailure: { errors: ['AllErrors'], action: pollAgain } }] },
    ),
    http('Outcome', {
      ...status,
      assertion: '<+httpResponseCode> == 200 && <+json.select("status", httpResponseBody)> != "FAILED"',
      outputVariables: [selected('summary', 'summary'), ...(list ? [selected('images', list)] : [])],
    }),
  ];
}

const pollAgain = {
  type: 'Retry',
  spec: {
    retryCount: polls,
    retryIntervals: ['20s', '1m'],
    onRetryFailure: { action: { type: 'MarkAsFailure' } },
  },
};

/** Returns the output variable with one value of the response. */
function selected(name: string, path: string): Yaml {
  return { name, type: 'String', value: `<+json.select("${path}", httpResponseBody)>` };
}

/** Returns the step that executes the command on the customer's own runner. */
function delegateStep({ secret, delegateSelectors, command }: PipelineSettings, request: RunRequest): Yaml {
  const { action, input, list } = request;
  const options = [...(list ? ['--list', list] : ['--yes', '--wait']), '--input -'];
  const state = command.state === undefined ? [] : ['--state "$FACTORY_STATE"'];
  const run = `printf %s "$FACTORY_INPUT" | factory ${[action, ...options, ...state].join(' ')}`;
  const variables = { FACTORY_INPUT: JSON.stringify(input), ...command.environment };
  return {
    step: {
      type: 'ShellScript',
      name: 'Outcome',
      identifier: lastStep,
      timeout: '2h',
      spec: {
        shell: 'Bash',
        onDelegate: true,
        source: { type: 'Inline', spec: { script: scriptOf(list ? `images=$(${run})` : run) } },
        environmentVariables: [
          { name: 'HARNESS_API_KEY', type: 'Secret', value: secret },
          ...Object.entries(variables).map(([name, value]) => ({ name, type: 'String', value })),
          ...(command.state === undefined ? [] : [{ name: 'FACTORY_STATE', type: 'String', value: command.state }]),
        ],
        ...(list && { outputVariables: [{ name: 'images', type: 'String', value: 'images' }] }),
        ...(delegateSelectors.length > 0 && { delegateSelectors }),
      },
    },
  };
}

/** The last command decides about the step: Harness reads no output variable after an early `exit`. */
function scriptOf(run: string): string {
  return trimEnd(
    `
if command -v factory > /dev/null; then
  ${run}
else
  echo 'This runner has no command "factory". Install it: npm install --global harness-ci-image-factory' >&2
  false
fi
`.trimStart(),
    '\n',
  );
}
