import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
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
  function: string;
  payload: unknown;
}

type Reply = { payload: unknown } | { error: { errorType: string; errorMessage: string } };

const pollMs = 20;
const longestRunMs = 120_000;
const account = '123456789012';

/** Returns whether this machine can run the engine. A suite that cannot is skipped, and counted as skipped. */
export function motoInstalled(): boolean {
  return spawnSync('python3', ['-c', 'import moto.stepfunctions'], { stdio: 'ignore' }).status === 0;
}

/** Step Functions as moto implements them, in a Python process of its own. Throws when `motoInstalled` is false. */
export async function startMotoEngine(): Promise<MotoEngine> {
  const runs = new Map<string, Invoke>();
  /** Prefixes of functions that no run uses. Definitions that differ in nothing else are parsed once. */
  const free: string[] = [];
  const executions = new Map<string, string | undefined>();
  let started = 0;

  async function answer({ function: qualified, payload }: Call): Promise<Reply> {
    const [prefix = '', fn = ''] = qualified.split('--');
    try {
      const invoke = runs.get(prefix);
      if (!invoke) throw new Error(`call of ${qualified}, whose run is over`);
      return { payload: (await invoke(fn, payload)) ?? null };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      return { error: { errorType: error.name, errorMessage: error.message } };
    }
  }

  const callbacks = createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(await answer(JSON.parse(await text(request)) as Call)));
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
      const prefix = free.pop() ?? id;
      runs.set(prefix, invoke);
      try {
        const { stateMachineArn } = await sfn.send(
          new CreateStateMachineCommand({
            name: id,
            roleArn: `arn:aws:iam::${account}:role/workflow`,
            definition: JSON.stringify(definition)
              .replaceAll('${LambdaInvoke}', lambdaInvoke('aws'))
              .replaceAll(/\$\{(\w+)\}/g, `arn:aws:lambda:us-east-1:${account}:function:${prefix}--$1`),
          }),
        );
        const { executionArn } = await sfn.send(
          // moto, unlike AWS, makes up no name.
          new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input), name: name ?? randomUUID() }),
        );
        if (name !== undefined) executions.set(name, executionArn);
        for (const deadline = Date.now() + longestRunMs; Date.now() < deadline; await sleep(pollMs)) {
          const execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
          if (execution.status === 'RUNNING') continue;
          if (execution.status === 'SUCCEEDED') {
            // After a failure, calls of other branches may still come.
            free.push(prefix);
            return { status: 'SUCCEEDED', output: JSON.parse(execution.output ?? 'null') as unknown };
          }
          const error = execution.error ?? (execution.status === 'TIMED_OUT' ? 'States.Timeout' : undefined);
          return {
            status: 'FAILED',
            ...(error !== undefined && { error }),
            ...(execution.cause !== undefined && { cause: execution.cause }),
          };
        }
        throw new Error(`${id} did not end within ${longestRunMs} ms`);
      } finally {
        runs.delete(prefix);
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
