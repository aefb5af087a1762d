import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

const mark = '--- done ---';

/** A shell that keeps its folder, variables and functions from one block of commands to the next. */
export class Shell {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #stdout = '';
  #all = '';
  #look = (): void => undefined;

  constructor(cwd: string, env: Readonly<Record<string, string | undefined>>) {
    this.#process = spawn('bash', ['--noprofile', '--norc'], { cwd, env: { ...env } });
    this.#ended = once(this.#process, 'close').finally(() => this.#look());
    this.#process.stdout.on('data', (chunk: Buffer) => this.#add(chunk, true));
    this.#process.stderr.on('data', (chunk: Buffer) => this.#add(chunk, false));
    this.#process.stdin.write('set -euo pipefail\n');
  }

  /**
   * Runs commands, and returns their standard output.
   *
   * @throws {Error} with all their output when one fails. The shell has then ended.
   */
  async run(commands: string): Promise<string> {
    this.#stdout = '';
    this.#all = '';
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#look = () => {
      const { exitCode, signalCode } = this.#process;
      if (this.#stdout.includes(mark)) resolve(this.#stdout.slice(0, this.#stdout.indexOf(mark)));
      else if (exitCode !== null || signalCode !== null) reject(new Error(`${commands}\n${this.#all}`));
    };
    // No command may read the commands after it.
    this.#process.stdin.write(`{\n${commands}\n} </dev/null\necho '${mark}'\n`);
    return promise;
  }

  async close(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  #add(chunk: Buffer, isOutput: boolean): void {
    if (isOutput) this.#stdout += chunk.toString();
    this.#all += chunk.toString();
    this.#look();
  }
}
