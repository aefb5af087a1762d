import { cpus } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { parts } from '../../aws/deployment.ts';
import { available } from '../../real-parts.ts';
import { benchLambda } from './bench.ts';
import { lambdaTable } from './table.ts';

const program = new Command('bench:lambda')
  .description(
    "Measures the functions as they are deployed: bundles, start-up and the cost of a copy, with Lambda's own runtime client.",
  )
  .option('--repeat <n>', 'measurements of which the median counts', count, 5)
  .option('--mebibytes <n>', 'size of the image that is copied', count, 1024)
  .parse();
const { repeat, mebibytes } = program.opts<{ repeat: number; mebibytes: number }>();

const missing = parts.filter((part) => !available(part));
if (missing.length > 0) program.error(`Not on PATH: ${missing.join(', ')}.`);
if (process.platform !== 'linux') program.error('Processes are measured by /proc, which only Linux has.');

const onProgress = (line: string) => process.stderr.write(`${line} …\n`);
const result = await benchLambda({ repeat, mebibytes, onProgress });
console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'an unknown processor'}\n`);
console.log(lambdaTable(result));
if (result.startUps.some(({ bytes, budget }) => bytes > budget)) process.exitCode = 1;

function count(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('A whole number from 1 is wanted.');
}
