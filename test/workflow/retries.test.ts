import { describe, expect, it } from '@jest/globals';
import { readWorkflowDefinition } from '../../infra/workflow-definition.ts';

interface Retrier {
  ErrorEquals: string[];
  IntervalSeconds?: number;
  MaxAttempts: number;
  BackoffRate?: number;
  MaxDelaySeconds?: number;
}

interface State {
  Type: string;
  TimeoutSeconds?: number;
  Retry?: Retrier[];
  Catch?: object[];
  ItemProcessor?: { States: Record<string, State> };
}

function tasksIn(states: Record<string, State>): [string, State][] {
  return Object.entries(states).flatMap(([name, state]) => [
    ...(state.Type === 'Task' ? [[name, state] as [string, State]] : []),
    ...tasksIn(state.ItemProcessor?.States ?? {}),
  ]);
}

const definition = JSON.parse(readWorkflowDefinition()) as { States: Record<string, State> };
const tasks = tasksIn(definition.States);
const always = new Set(['Rollback', 'Report']);
const ordinary = tasks.filter(([name]) => !always.has(name));

/** Returns the seconds for which a retrier continues, without jitter. */
function patience({ IntervalSeconds = 1, MaxAttempts, BackoffRate = 2, MaxDelaySeconds = Infinity }: Retrier): number {
  let total = 0;
  for (let n = 0; n < MaxAttempts; n++) total += Math.min(MaxDelaySeconds, IntervalSeconds * BackoffRate ** n);
  return total;
}

const retrierOf = ({ Retry = [] }: State, error: string) =>
  Retry.find(({ ErrorEquals }) => ErrorEquals.includes(error) || ErrorEquals.includes('States.ALL'));

/**
 * Errors of Invoke of Lambda while a function, its network or the service is not ready:
 * https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html and
 * https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
 */
const transient = [
  'AWSLambdaException',
  'ClientExecutionTimeoutException',
  'EC2ThrottledException',
  'EC2UnexpectedException',
  'ENILimitReachedException',
  'ENINotReadyException',
  'ResourceConflictException',
  'ResourceNotReadyException',
  'SdkClientException',
  'ServiceException',
  'SubnetIPAddressLimitReachedException',
].map((name) => `Lambda.${name}`);
const crashes = ['Lambda.Unknown', 'Runtime.ExitError', 'Runtime.OutOfMemory', 'Sandbox.Timedout', 'States.Timeout'];

describe('the retries of the workflow', () => {
  it.each(tasks)('%s: wait for capacity of Lambda for an hour or nearly so', (_, state) => {
    const retrier = retrierOf(state, 'Lambda.TooManyRequestsException');
    expect(retrier?.ErrorEquals).toEqual(['Lambda.TooManyRequestsException']);
    expect(retrier?.MaxAttempts).toBeGreaterThanOrEqual(60);
    expect(patience(retrier as Retrier)).toBeGreaterThan(3_000);
  });

  it.each(tasks)('%s: wait for a function that is not ready for minutes', (_, state) => {
    for (const error of transient) expect(patience(retrierOf(state, error) as Retrier)).toBeGreaterThan(300);
  });

  it.each(tasks)('%s: call a function again that died', (_, state) => {
    for (const error of crashes) expect(retrierOf(state, error)?.MaxAttempts).toBeGreaterThanOrEqual(2);
  });

  it.each(ordinary)('%s: take an error of the task as final', (_, state) => {
    for (const error of ['InvalidInput', 'HarnessUnauthorized', 'StoreFailed', 'UnexpectedError'])
      expect(retrierOf(state, error)).toBeUndefined();
  });

  it.each(tasks.filter(([name]) => always.has(name)))('%s: go on for more than an hour, whatever fails', (_, state) => {
    expect(patience(retrierOf(state, 'any error') as Retrier)).toBeGreaterThan(3_600);
    expect(state.Retry?.at(-1)?.ErrorEquals).toEqual(['States.ALL']);
  });

  it('give a rollback that waits for Harness twelve hours, and less between two attempts than its lock lives', () => {
    const state = definition.States['Rollback'] as State;
    const pending = retrierOf(state, 'RollbackPending') as Retrier;
    expect(patience(pending)).toBeGreaterThan(12 * 3_600);
    expect(pending.MaxDelaySeconds).toBeLessThanOrEqual(300);
    expect(retrierOf(state, 'RollbackFailed')?.MaxAttempts).toBe(0);
  });

  it.each(tasks)('%s: is caught when nothing helps, and not waited for longer than a function lives', (_, state) => {
    expect(state.Catch).toHaveLength(1);
    expect(state.TimeoutSeconds).toBe(960);
  });
});
