import { StateMachine } from 'aws-local-stepfunctions';

/** The parts of a workflow definition in Amazon States Language that this file reads. */
export interface Definition {
  StartAt: string;
  States: Record<string, { Type: string; TimeoutSeconds?: number; ItemProcessor?: Definition }>;
}

/** The outcome of an execution, in the terms of Step Functions. */
export interface WorkflowOutcome {
  status: 'SUCCEEDED' | 'FAILED';
  output?: unknown;
  error?: string;
  cause?: string;
}

/**
 * Pauses before the retries of a state, in milliseconds: one for all of its retriers, or one for each (-1: as defined).
 */
export type RetryPauses = Readonly<Record<string, number | number[]>>;

/** Invokes a function by its placeholder (`PlanFunction`). */
export type Invoke = (functionName: string, payload: unknown) => Promise<unknown>;

interface ExecutionOptions {
  input: unknown;
  name: string;
  invoke: Invoke;
  retryPausesMs?: RetryPauses;
}

/**
 * Runs the workflow in this process with `aws-local-stepfunctions`. Like Lambda, it wraps the results of tasks in
 * `Payload`, and gives errors the form that Retry, Catch and their causes have on AWS.
 */
export async function runWorkflow(
  definition: Definition,
  { input, name, invoke, retryPausesMs = {} }: ExecutionOptions,
): Promise<WorkflowOutcome> {
  const handlers = Object.fromEntries(
    taskStates(definition).map((state) => [state, (parameters: LambdaParameters) => callLambda(parameters, invoke)]),
  );
  // The tests validate the definition, so that the command starts faster.
  const machine = new StateMachine(withoutTimeouts(definition) as never, { validationOptions: { noValidate: true } });
  const execution = machine.run(input as never, {
    overrides: { taskResourceLocalHandlers: handlers as never, retryIntervalOverrides: retryPausesMs },
    // The engine's context has only these fields.
    context: { Execution: { Id: name, Name: name, Input: input, StartTime: new Date().toISOString() } } as never,
  });
  try {
    return { status: 'SUCCEEDED', output: await execution.result };
  } catch (error) {
    const failure = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const { name: code, message } = failure as Error;
    return { status: 'FAILED', error: code, cause: message };
  }
}

interface LambdaParameters {
  FunctionName: string;
  Payload: unknown;
}

async function callLambda({ FunctionName, Payload }: LambdaParameters, invoke: Invoke): Promise<{ Payload: unknown }> {
  try {
    return { Payload: await invoke(FunctionName.replace(/^\$\{(\w+)\}$/, '$1'), Payload) };
  } catch (thrown) {
    const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
    const error = new Error(JSON.stringify({ errorType: name, errorMessage: message, trace: [] }));
    error.name = name;
    throw error;
  }
}

/** Replaces the time limits of tasks, which are those of Lambda functions. A local copy or question may take longer. */
function withoutTimeouts(definition: Definition): Definition {
  const states = Object.entries(definition.States).map(([name, state]) => {
    if (state.Type === 'Task') return [name, { ...state, TimeoutSeconds: longestTaskSeconds }];
    return [name, state.ItemProcessor ? { ...state, ItemProcessor: withoutTimeouts(state.ItemProcessor) } : state];
  });
  return { ...definition, States: Object.fromEntries(states) as Definition['States'] };
}

/** 23 days. The engine's timers are limited to 2^31 ms, and a state without a limit gets 60 s. */
const longestTaskSeconds = 2_000_000;

function taskStates({ States }: Definition): string[] {
  return Object.entries(States).flatMap(([name, state]) => {
    if (state.Type === 'Task') return [name];
    return state.ItemProcessor ? taskStates(state.ItemProcessor) : [];
  });
}
