import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { available } from '../real-parts.ts';
import { bench } from './bench.ts';
import { main as benchBundles } from './bundle/main.ts';
import { chosen, count, list, positive } from './options.ts';
import { installation, peers } from './peers.ts';
import { parts } from './parts.ts';
import { program as registry } from './registry.ts';
import { tableOf } from './table.ts';
import { type WorkloadName, workloads } from './workloads.ts';

interface Options {
  workloads: WorkloadName[];
  rtt: number[];
  repeat: number;
  peers?: string[];
  scale: number;
  plain?: true;
  host?: string;
  json?: string;
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
  .addOption(
    new Option('--rtt <ms>', 'added round trip times').default([0, 20]).argParser((text) => list(text).map(positive)),
  )
  .addOption(new Option('--repeat <n>', 'measurements of each kind; the median counts').default(3).argParser(count))
  .addOption(
    new Option('--peers <names>', `some of ${families.join(',')}; default: all on PATH`).argParser((text) =>
      chosen(text, families),
    ),
  )
  .addOption(
    new Option('--scale <factor>', 'factor on the size of layers, for a quick trial').default(1).argParser(positive),
  )
  .option('--plain', 'plain HTTP instead of TLS')
  .option(
    '--host <name>',
    'a name that resolves to a loopback address, for TLS; default: the name of this machine, or registry.test',
  )
  .option('--json <file>', 'also write the numbers to this file')
  .addHelpText('after', `\nOther benchmarks: bench parts, bench bundle (see bench bundle --help).\n${installation}`)
  .parse();

const options = program.opts<Options>();
if (!available(registry)) program.error(`${registry} is not on PATH.\n${installation}`);

try {
  const result = await bench({
    workloads: options.workloads,
    rtts: options.rtt,
    repeat: options.repeat,
    peers: options.peers,
    scale: options.scale,
    plain: options.plain ?? false,
    host: options.host,
    signal: interruption.signal,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(tableOf(result));
  if (result.rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
} catch (error) {
  ended(error);
}

/** Reports an interruption. Throws any other error. */
function ended(error: unknown): void {
  if (!interruption.signal.aborted) throw error;
  process.stderr.write('Interrupted. All processes that the benchmark started have ended.\n');
  process.exitCode = 1;
}
