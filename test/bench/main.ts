import { Command, Option } from 'commander';
import { available } from '../real-parts.ts';
import { bench } from './bench.ts';
import { main as benchBundles } from './bundle/main.ts';
import { addCommonOptions, chosen, type CommonOptions, deliver } from './options.ts';
import { installation, peers } from './peers.ts';
import { parts } from './parts.ts';
import { program as registry } from './registry.ts';
import { tableOf } from './table.ts';
import { type WorkloadName, workloads } from './workloads.ts';

interface Options extends CommonOptions {
  workloads: WorkloadName[];
}

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // A second signal ends the process at once, as usual.
  process.once(name, () => interruption.abort());
}

if (process.argv[2] === 'bundle') {
  await benchBundles(process.argv.slice(3), interruption.signal).catch(ended);
  process.exit();
}

// A benchmark of its own, without peers and options.
if (process.argv[2] === 'parts') {
  process.stdout.write(await parts());
  process.exit();
}

const workloadNames = Object.keys(workloads) as WorkloadName[];
const families = [...new Set(['ours', 'engine', 'bare', 'floor', ...peers.map(({ family }) => family)])];

const program = new Command('bench')
  .description(
    `Copies images between two ${registry} processes over TLS, with the factory and with every peer on PATH, side by side.`,
  )
  .addOption(
    new Option('--workloads <names>', `some of ${workloadNames.join(',')}`)
      .default(workloadNames)
      .argParser((text) => chosen(text, workloadNames)),
  )
  .addHelpText('after', `\nOther benchmarks: bench parts, bench bundle (see bench bundle --help).\n${installation}`);
addCommonOptions(program, families).parse();

const { rtt: rtts, json, ...options } = program.opts<Options>();
if (!available(registry)) program.error(`${registry} is not on PATH.\n${installation}`);

try {
  const result = await bench({
    ...options,
    rtts,
    signal: interruption.signal,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  await deliver(result, { table: tableOf, json });
} catch (error) {
  ended(error);
}

/** Reports an interruption. Throws any other error. */
function ended(error: unknown): void {
  if (!interruption.signal.aborted) throw error;
  process.stderr.write('Interrupted. All processes that the benchmark started have ended.\n');
  process.exitCode = 1;
}
