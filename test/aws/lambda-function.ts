import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { account, region } from './moto-server.ts';

export interface LambdaFunctionOptions {
  name: string;
  /** Holds `index.mjs`. */
  folder: string;
  memoryMiB: number;
  timeoutSeconds: number;
  environment: Readonly<Record<string, string>>;
  /** Arguments of Node.js that start the handler. Default: a client of ours. */
  runtimeClient?: readonly string[];
}

/** An error of a handler, in the form of Lambda. */
interface InvocationError {
  errorType: string;
  errorMessage: string;
}

/** The Runtime API of one sandbox, and the process that it serves. */
export interface Sandbox {
  pid: number;
  /** Milliseconds from the start of the process until it asked for its first event. */
  initMs: number;
  /** Throws an error with the name and message of what the handler threw. */
  invoke(event: unknown): Promise<unknown>;
  /** The log so far. */
  log(): string;
  /** True once the process has ended. */
  hasEnded(): boolean;
  close(): Promise<void>;
}

/**
 * A function, run as Lambda runs it: from its bundle alone, in processes with nothing but the environment of the
 * function. Each process works on one event at a time.
 */
export class LambdaFunction {
  readonly #options: LambdaFunctionOptions;
  readonly #all: Sandbox[] = [];
  readonly #idle: Sandbox[] = [];

  constructor(options: LambdaFunctionOptions) {
    this.#options = options;
  }

  async invoke(event: unknown): Promise<unknown> {
    let sandbox = this.#idle.pop();
    if (!sandbox) this.#all.push((sandbox = await startSandbox(this.#options)));
    try {
      return await sandbox.invoke(event);
    } finally {
      this.#idle.push(sandbox);
    }
  }

  log(): string {
    return this.#all.map((sandbox) => sandbox.log()).join('');
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((sandbox) => sandbox.close()));
  }
}

/** Starts a process for the function. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html */
export async function startSandbox(options: LambdaFunctionOptions): Promise<Sandbox> {
  const { name, folder, timeoutSeconds, runtimeClient = [join(import.meta.dirname, 'runtime-client.ts')] } = options;
  const functionArn = `arn:aws:lambda:${region}:${account}:function:${name}`;
  let waiting = Promise.withResolvers<ServerResponse>();
  let outcome = Promise.withResolvers<unknown>();
  const server = createServer(async (request, response) => {
    const [, , , ...path] = request.url?.split('/') ?? [];
    if (path.at(-1) === 'next') return waiting.resolve(response);
    const told = await json(request);
    response.writeHead(202).end();
    if (path.at(-1) === 'response') return outcome.resolve(told);
    const { errorType, errorMessage } = told as InvocationError;
    const error = Object.assign(new Error(errorMessage), { name: errorType });
    (path[0] === 'init' ? waiting : outcome).reject(error);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const started = performance.now();
  const child = spawn(process.execPath, runtimeClient, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...lambdaEnvironment(options),
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      ...options.environment,
    },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = once(child, 'close');
  child.once('close', (code, signal) => {
    const error = new Error(`the process of ${name} ended with ${code ?? signal}: ${log.slice(-2_000)}`);
    for (const promise of [waiting, outcome]) promise.reject(error);
  });
  for (const { promise } of [waiting, outcome]) promise.catch(() => undefined);
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
    server.close();
    server.closeAllConnections();
  };
  try {
    await waiting.promise;
  } catch (error) {
    await close();
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    initMs: performance.now() - started,
    log: () => log,
    close,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async invoke(event) {
      const response = await waiting.promise;
      waiting = Promise.withResolvers();
      outcome = Promise.withResolvers();
      waiting.promise.catch(() => undefined);
      response.writeHead(200, {
        'content-type': 'application/json',
        'lambda-runtime-aws-request-id': randomUUID(),
        'lambda-runtime-deadline-ms': String(Date.now() + timeoutSeconds * 1_000),
        'lambda-runtime-invoked-function-arn': functionArn,
        'lambda-runtime-trace-id': 'Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0',
      });
      response.end(JSON.stringify(event));
      return outcome.promise;
    },
  };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime */
function lambdaEnvironment({ name, folder, memoryMiB }: LambdaFunctionOptions): Record<string, string> {
  return {
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    LAMBDA_TASK_ROOT: folder,
    _HANDLER: 'index.handler',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMiB),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'log',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
}
