import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { available } from '../real-parts.ts';

export interface Command {
  argv: readonly string[];
  environment?: Record<string, string>;
}

/** The resources that a command used, with every process that it started. */
export interface Usage {
  wallMs: number;
  /** User and system time, summed over the processes. */
  cpuMs: number;
  /** Peak memory of the largest process. */
  peakBytes: number;
}

/** No measurement may take longer. */
const patienceMs = 600_000;
/** Characters of output, from its end. */
const keptOutput = 1_000;

/** Like GNU time, for machines without it; its own 10 MiB are the least that it can tell. */
const python = `
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], 'w') as file: print(usage.ru_utime, usage.ru_stime, usage.ru_maxrss, file=file)
sys.exit(code)`;

/** Asks the kernel for the usage of all descendants (getrusage(2)). Takes a file for the answer, then the command. */
function meter(): string[] {
  return available('time') ? ['time', '-q', '-f', '%U %S %M', '-o'] : ['python3', '-c', python];
}

/** Runs a command in `home`, which is its HOME too. Throws when it fails, with the end of what it printed. */
export async function measure(command: Command, home: string, signal?: AbortSignal): Promise<Usage> {
  const [file = '', ...args] = [...meter(), join(home, 'usage'), ...command.argv];
  signal?.throwIfAborted();
  const started = performance.now();
  const child = spawn(file, args, {
    cwd: home,
    // Neither the user's proxies nor the user's logins.
    env: { PATH: process.env.PATH ?? '', HOME: home, ...command.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that all of it can be ended.
    detached: true,
  });
  let output = '';
  const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-keptOutput));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const end = () => child.pid !== undefined && child.exitCode === null && process.kill(-child.pid, 'SIGKILL');
  const timer = setTimeout(end, patienceMs);
  signal?.addEventListener('abort', end);
  try {
    const [code, killed] = (await once(child, 'exit')) as [number | null, string | null];
    const wallMs = performance.now() - started;
    signal?.throwIfAborted();
    if (code !== 0)
      throw new Error(`${basename(command.argv[0] ?? '')} ended with ${code ?? killed}: ${output.trim()}`);
    const [user = 0, system = 0, kibibytes = 0] = (await readFile(join(home, 'usage'), 'utf8')).split(' ').map(Number);
    return { wallMs, cpuMs: (user + system) * 1000, peakBytes: kibibytes * 1024 };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}
