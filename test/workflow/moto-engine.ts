import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  paginateGetExecutionHistory,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { lambdaInvoke } from '../../infra/workflow-definition.ts';
import type { Invoke, WorkflowOutcome } from '../../infra/local/engine.ts';

export interface MotoEngine {
  /**
   * Runs `definition` with each `${Name}` standing for a Lambda function `Name`. Any number may run at once.
   * Throws what the Step Functions API answers to a malformed definition or name.
   */
  run(definition: object, input: unknown, invoke: Invoke, name?: string): Promise<WorkflowOutcome>;
  /** Returns the number of events in the history of the execution of that name. */
  events(name: string): Promise<number>;
  close(): Promise<void>;
}

interface Call {
  /** The role of the state machine. Each run has its own, so that equal definitions are parsed once. */
  role: string;
  function: string;
  payload: unknown;
}

/** An execution that has ended. */
interface End {
  ended: string;
}

type Reply = { payload: unknown } | { error: { errorType: string; errorMessage: string } };

const longestRunMs = 120_000;
const account = '123456789012';

/** Returns whether this machine can run the engine. A suite that cannot is skipped, and counted as skipped. */
export function motoInstalled(): boolean {
  return spawnSync('python3', ['-c', 'import moto.stepfunctions'], { stdio: 'ignore' }).status === 0;
}

/** Step Functions as moto implements them, in a Python process of its own. Throws when `motoInstalled` is false. */
export async function startMotoEngine(): Promise<MotoEngine> {
  const runs = new Map<string, Invoke>();
  const executions = new Map<string, string | undefined>();
  let started = 0;
  /** Ends by execution. An end can arrive before the response to the start. */
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const endOf = (execution: string) => {
    const end = ends.get(execution) ?? Promise.withResolvers<void>();
    ends.set(execution, end);
    return end;
  };

  async function answer({ role, function: fn, payload }: Call): Promise<Reply> {
    try {
      const invoke = runs.get(role);
      if (!invoke) throw new Error(`call of ${fn} by ${role}, which is over`);
      return { payload: (await invoke(fn, payload)) ?? null };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      return { error: { errorType: error.name, errorMessage: error.message } };
    }
  }

  const callbacks = createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json');
    const message = JSON.parse(await text(request)) as Call | End;
    if ('ended' in message) endOf(message.ended).resolve();
    response.end(JSON.stringify('ended' in message ? null : await answer(message)));
  });
  callbacks.listen(0, '127.0.0.1');
  await once(callbacks, 'listening');
  const callbackUrl = `http://127.0.0.1:${(callbacks.address() as AddressInfo).port}/`;

  const python = spawn('python3', [`${import.meta.dirname}/moto_engine.py`, callbackUrl], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(python, 'exit');

  async function close(): Promise<void> {
    callbacks.close();
    callbacks.closeAllConnections();
    python.stdin.end();
    await ended;
  }

  const listening = once(createInterface(python.stdout), 'line') as Promise<[string]>;
  const line = await Promise.race([listening.then(([first]) => first), ended.then(() => undefined)]);
  if (line === undefined) {
    await close();
    throw new Error(`moto_engine.py ended with code ${python.exitCode}`);
  }
  const { port } = JSON.parse(line) as { port: number };

  const sfn = new SFNClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });

  return {
    async run(definition, input, invoke, name) {
      const id = `run${++started}`;
      runs.set(id, invoke);
      try {
        const { stateMachineArn } = await sfn.send(
          new CreateStateMachineCommand({
            name: id,
            roleArn: `arn:aws:iam::${account}:role/${id}`,
            definition: JSON.stringify(definition)
              .replaceAll('${LambdaInvoke}', lambdaInvoke('aws'))
              .replaceAll(/\$\{(\w+)\}/g, `arn:aws:lambda:us-east-1:${account}:function:$1`),
          }),
        );
        const { executionArn = '' } = await sfn.send(
          // moto, unlike AWS, makes up no name.
          new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input), name: name ?? randomUUID() }),
        );
        if (name !== undefined) executions.set(name, executionArn);
        await within(longestRunMs, endOf(executionArn).promise);
        const execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
        if (execution.status === 'SUCCEEDED')
          return { status: 'SUCCEEDED', output: JSON.parse(execution.output ?? 'null') as unknown };
        const error = execution.error ?? (execution.status === 'TIMED_OUT' ? 'States.Timeout' : undefined);
        return {
          status: 'FAILED',
          ...(error !== undefined && { error }),
          ...(execution.cause !== undefined && { cause: execution.cause }),
        };
      } finally {
        runs.delete(id);
      }
    },

    async events(name) {
      let count = 0;
      const pages = paginateGetExecutionHistory({ client: sfn }, { executionArn: executions.get(name) });
      for await (const { events = [] } of pages) count += events.length;
      return count;
    },

    async close() {
      sfn.destroy();
      await close();
    },
  };
}

/** Waits for an event. Throws an error after `ms` milliseconds without it. */
async function within(ms: number, event: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`the run did not end within ${ms} ms`)), ms);
  await Promise.race([event, late.promise]).finally(() => clearTimeout(timer));
}
