import { Command, Option } from 'commander';
import { available } from '../../real-parts.ts';
import { addCommonOptions, chosen, type CommonOptions, deliver } from '../options.ts';
import { installation } from '../peers.ts';
import { program as registry } from '../registry.ts';
import { benchBundles } from './bench.ts';
import { bundlePeers } from './contenders.ts';
import { type SetName, sets } from './sets.ts';
import { tableOf } from './table.ts';
import { type Work, works } from './works.ts';

interface Options extends CommonOptions {
  sets: SetName[];
  works: Work[];
}

const setNames = Object.keys(sets) as SetName[];
const workNames = Object.keys(works) as Work[];
const families = [...new Set(['ours', 'engine', 'floor', ...bundlePeers.map(({ family }) => family)])];

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
    .addHelpText('after', installation);
  addCommonOptions(program, families).parse(argv, { from: 'user' });
  if (!available(registry)) program.error(`${registry} is not on PATH.\n${installation}`);
  const { rtt: rtts, json, ...options } = program.opts<Options>();
  const result = await benchBundles({
    ...options,
    rtts,
    signal,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  await deliver(result, { table: tableOf, json });
}
