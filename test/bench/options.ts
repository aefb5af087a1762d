import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';

/** The options of every benchmark that has peers. */
export interface CommonOptions {
  rtt: number[];
  repeat: number;
  peers?: string[];
  scale: number;
  plain?: true;
  host?: string;
  json?: string;
}

/** Adds the options of every benchmark that has peers. */
export function addCommonOptions(command: Command, families: readonly string[]): Command {
  return command
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
    .option('--json <file>', 'also write the numbers to this file');
}

/** Prints the table of a benchmark, and writes its numbers where that was asked for. A failed row fails the command. */
export async function deliver<R extends { rows: readonly { failure?: string | undefined }[] }>(
  result: R,
  { table, json }: { table: (result: R) => string; json: string | undefined },
): Promise<void> {
  if (json !== undefined) await writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(table(result));
  if (result.rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

/** Parses values between commas. */
function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

/** Parses names between commas. Throws `InvalidArgumentError` for one that is unknown. */
export function chosen<T extends string>(text: string, known: readonly T[]): T[] {
  const names = list(text);
  const unknown = names.filter((name) => !(known as readonly string[]).includes(name));
  if (unknown.length > 0 || names.length === 0) throw new InvalidArgumentError(`Expected some of ${known.join(', ')}.`);
  return names as T[];
}

/** Parses a number that is not negative. */
function positive(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0 && text.trim() !== '') return number;
  throw new InvalidArgumentError('Expected a number.');
}

/** Parses a whole number from 1 to 99. */
function count(text: string): number {
  const number = positive(text);
  if (Number.isInteger(number) && number > 0 && number <= 99) return number;
  throw new InvalidArgumentError('Expected a whole number from 1 to 99.');
}
