import { type LambdaFunctionOptions, type Sandbox, startSandbox } from '../aws/lambda-function.ts';

/** An invocation as LocalStack passes it on. */
export type Call = LambdaFunctionOptions & { version: string; payload: unknown };

export type Reply =
  | { result: unknown }
  | { functionError: { errorType: string; errorMessage: string } }
  | { serviceError: { code: string; message: string; status: number } };

/** A fault of invocations of a task. */
export interface Fault {
  /**
   * - `not-run`: Lambda refuses the invocation with `code`
   * - `dies-before`: the process dies before the function begins
   * - `dies-after`: the process dies when the function has done its work, before it returns
   */
  kind: 'not-run' | 'dies-before' | 'dies-after';
  /** Name of the error of `not-run`, with its status. Default: `ServiceException`, 502. */
  code?: string;
  status?: number;
  /** Message about the end of the process. */
  message?: string;
  /** Number of invocations that meet it. Default: 1. */
  times?: number;
}

/** An invocation that waits. */
export interface Held {
  release(): void;
}

/**
 * The functions of a deployment, each run from its deployed zip by processes of this machine. A process works on one
 * event at a time and is reused, as Lambda reuses a sandbox.
 */
export class Functions {
  /** Task, version and outcome of every invocation, in order of their end. */
  readonly calls: { task: string; version: string; outcome: string }[] = [];
  readonly #environment: Readonly<Record<string, string>>;
  readonly #idle = new Map<string, Sandbox[]>();
  readonly #all = new Set<Sandbox>();
  readonly #faults = new Map<string, Fault>();
  readonly #watchers = new Set<() => void>();
  readonly #limits = new Map<string, number>();
  readonly #holds = new Map<string, (held: Held) => void>();

  /** @param environment added to the environment of every function */
  constructor(environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
  }

  /** Makes the next invocations of a task fail. */
  fail(task: string, fault: Fault): void {
    this.#faults.set(task, { times: 1, ...fault });
  }

  /** Gives the processes of a task that start from now on so many seconds for each event. */
  limit(task: string, seconds: number): void {
    this.#limits.set(task, seconds);
  }

  /** Takes back what was to go wrong. */
  heal(): void {
    this.#faults.clear();
  }

  /** Holds the next invocation of a task: before the function begins, or when it has done its work. Resolves then. */
  hold(task: string, when: 'before' | 'after' = 'before'): Promise<Held> {
    const { promise, resolve } = Promise.withResolvers<Held>();
    this.#holds.set(`${when} ${task}`, resolve);
    return promise;
  }

  /** Waits until the invocations so far are as `isSo` says. */
  until(isSo: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (!isSo()) return;
      this.#watchers.delete(look);
      resolve();
    };
    this.#watchers.add(look);
    look();
    return promise;
  }

  async invoke({ payload, ...options }: Call): Promise<Reply> {
    const task = options.environment['TASK'] ?? options.name;
    await this.#wait(`before ${task}`);
    const reply = await this.#answer(task, { ...options, payload });
    await this.#wait(`after ${task}`);
    const outcome =
      'result' in reply ? 'ok' : 'functionError' in reply ? reply.functionError.errorType : reply.serviceError.code;
    this.calls.push({ task, version: options.version, outcome });
    for (const look of this.#watchers) look();
    return reply;
  }

  /** Ends every process, as Lambda does after a while. */
  async close(): Promise<void> {
    const all = [...this.#all];
    this.#all.clear();
    this.#idle.clear();
    await Promise.all(all.map((sandbox) => sandbox.close()));
  }

  async #wait(moment: string): Promise<void> {
    const held = this.#holds.get(moment);
    if (!held) return;
    this.#holds.delete(moment);
    const { promise, resolve } = Promise.withResolvers<void>();
    held({ release: resolve });
    await promise;
  }

  async #answer(task: string, call: Call): Promise<Reply> {
    const fault = this.#takeFault(task);
    if (fault?.kind === 'not-run') {
      const { code = 'ServiceException', status = 502 } = fault;
      return { serviceError: { code, message: 'injected', status } };
    }
    const died: Reply = {
      functionError: { errorType: 'Runtime.ExitError', errorMessage: fault?.message ?? 'Runtime exited with error' },
    };
    if (fault?.kind === 'dies-before') return died;
    const { payload, ...options } = call;
    const name = `${options.name}:${options.version}`;
    const idle = this.#idle.get(name) ?? [];
    this.#idle.set(name, idle);
    let sandbox = idle.pop();
    if (!sandbox) {
      const timeoutSeconds = this.#limits.get(task) ?? options.timeoutSeconds;
      const environment = { ...options.environment, ...this.#environment };
      sandbox = await startSandbox({ ...options, timeoutSeconds, environment });
      this.#all.add(sandbox);
    }
    try {
      const result = await sandbox.invoke(payload);
      if (fault === undefined) {
        idle.push(sandbox);
        return { result: result ?? null };
      }
    } catch (error) {
      const { name, message } = error as Error;
      if (sandbox.hasEnded()) return died;
      idle.push(sandbox);
      return { functionError: { errorType: name, errorMessage: message } };
    }
    this.#all.delete(sandbox);
    await sandbox.close();
    return died;
  }

  #takeFault(task: string): Fault | undefined {
    const fault = this.#faults.get(task);
    if (!fault) return undefined;
    fault.times = (fault.times ?? 1) - 1;
    if (fault.times <= 0) this.#faults.delete(task);
    return fault;
  }
}
