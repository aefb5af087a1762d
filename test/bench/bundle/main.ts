import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { available } from '../../real-parts.ts';
import { chosen, count, list, positive } from '../options.ts';
import { installation } from '../peers.ts';
import { program as registry } from '../registry.ts';
import { benchBundles } from './bench.ts';
import { bundlePeers } from './contenders.ts';
import { type SetName, sets } from './sets.ts';
import { tableOf } from './table.ts';
import { type Work, works } from './works.ts';

interface Options {
  sets: SetName[];
  works: Work[];
  rtt: number[];
  repeat: number;
  peers?: string[];
  scale: number;
  plain?: true;
  host?: string;
  json?: string;
}

const setNames = Object.keys(sets) as SetName[];
const workNames = Object.keys(works) as Work[];
const families = [...new Set(['ours', 'engine', ...bundlePeers.map(({ family }) => family)])];

/** Runs the benchmark of bundles. Takes the arguments after its name. */
export async function main(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const program = new Command('bench bundle')
    .description(
      `Exports images of a ${registry} to bundles and imports them, over TLS, with the factory and with every peer on PATH.`,
    )
    .addOption(
      new Option('--sets <names>', `some of ${setNames.join(',')}`)
        .default(setNames)
        .argParser((text) => chosen(text, setNames)),
    )
    .addOption(
      new Option('--works <names>', `some of ${workNames.join(',')}`)
        .default(workNames)
        .argParser((text) => chosen(text, workNames)),
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
    .option('--host <name>', 'a name that resolves to a loopback address, for TLS')
    .option('--json <file>', 'also write the numbers to this file')
    .addHelpText('after', installation)
    .parse(argv, { from: 'user' });
  if (!available(registry)) program.error(`${registry} is not on PATH.\n${installation}`);
  const { rtt: rtts, json, ...options } = program.opts<Options>();
  const result = await benchBundles({
    ...options,
    rtts,
    signal,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  if (json !== undefined) await writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(tableOf(result));
  if (result.rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}
