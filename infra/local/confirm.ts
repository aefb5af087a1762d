import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { ReadStream } from 'node:tty';
import prettyBytes from 'pretty-bytes';
import { FactoryError } from '../../functions/errors.ts';
import { changesInWords } from '../../functions/overrides/change-words.ts';
import { describeConnector, plannedConnector } from '../../functions/overrides/connector-change.ts';
import type { Plan } from '../../functions/state/documents.ts';
import { describeChanges, plural } from './changes.ts';
import type { Screen } from './screen.ts';
import { shown, wrap } from './table.ts';

/**
 * Summarizes what a run will do, and asks for confirmation; `d` shows every change first. Writes to standard error;
 * standard output is for the result. Throws `InvalidInput` if standard error is a terminal but no input is.
 */
export async function confirmOnTerminal(plan: Plan, signal: AbortSignal, screen: Screen): Promise<boolean> {
  return confirm(`\n${summarizePlan(plan, screen)}\n\n`, signal, () => `\n${describeChanges(plan, screen)}\n\n`);
}

/** Summarizes the copies and the changes of a run, in a few lines. */
export function summarizePlan({ images, changes, connector }: Plan, screen: Screen): string {
  const copies = images.filter((image) => image.status === 'copy');
  const repairs = copies.filter(({ missing }) => missing).length;
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  const moved = sum(copies.map(({ uniqueSize = 0 }) => uniqueSize));
  const shared = sum(copies.map(({ size = 0 }) => size)) - moved;
  const repaired = repairs > 0 ? `, ${plural(repairs, 'repair')} included` : '';
  const bytes = `at most ${prettyBytes(moved)} to move, ${prettyBytes(Math.max(0, shared))} shared`;
  const lines = [
    ...(copies.length > 0 ? [`copy    ${plural(copies.length, 'image')} (${bytes}${repaired})`] : []),
    ...(connector ? [`change  ${describeConnector(plannedConnector(connector))}`] : []),
    ...(changes.length > 0 ? [`switch  ${changesInWords(changes)}`] : []),
  ];
  return ['This run will', ...lines.map((line) => wrap(`  ${shown(line)}`, screen.columns))].join('\n');
}

/**
 * Shows a text and asks for confirmation. With `details`, the answer `d` shows them and asks again. Writes to standard
 * error. Throws `InvalidInput` if standard error is a terminal but no input is.
 */
export async function confirm(text: string, signal: AbortSignal, details?: () => string): Promise<boolean> {
  process.stderr.write(text);
  // Standard input has ended if it carried the execution input.
  const input = process.stdin.isTTY && !process.stdin.destroyed ? process.stdin : controllingTerminal();
  const terminal = createInterface({ input, output: process.stderr });
  try {
    // A closed terminal counts as no. Older Node.js versions would wait forever.
    const closed = once(terminal, 'close', { signal }).then(() => '');
    const question = details ? 'Continue? [y/N/d = details] ' : 'Continue? [y/N] ';
    for (;;) {
      const answer = (await Promise.race([terminal.question(question, { signal }), closed])).trim();
      if (!details || !/^d(?:etails)?$/i.test(answer)) return /^y(?:es)?$/i.test(answer);
      process.stderr.write(details());
    }
  } catch (error) {
    // Interrupting the question, or ending the input (Ctrl-D), counts as no.
    if (signal.aborted || (error as NodeJS.ErrnoException).code === 'ABORT_ERR') return false;
    throw error;
  } finally {
    terminal.close();
    if (input !== process.stdin) input.destroy();
  }
}

/** Opens the terminal of the process, for when standard input carries the execution input. */
function controllingTerminal(): ReadStream {
  try {
    return new ReadStream(openSync('/dev/tty', 'r'));
  } catch (cause) {
    throw new FactoryError('InvalidInput', 'cannot ask for confirmation: standard input is not a terminal', {
      hint: 'Add --yes, or pass the input as a file.',
      cause,
    });
  }
}
