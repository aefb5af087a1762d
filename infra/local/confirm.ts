import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { ReadStream } from 'node:tty';
import { FactoryError } from '../../functions/errors.ts';
import type { Plan } from '../../functions/state/documents.ts';
import { describeChanges, plural } from './summary.ts';

/**
 * Shows the changes of a run and asks for confirmation. Writes to standard error; standard output is for the result.
 * Throws `InvalidInput` if standard error is a terminal but no input is.
 */
export async function confirmOnTerminal(plan: Plan, signal: AbortSignal): Promise<boolean> {
  const copies = plan.images.filter(({ status }) => status === 'copy');
  const repairs = copies.filter(({ missing }) => missing).length;
  const repaired = repairs > 0 ? ` (${plural(repairs, 'repair')} included)` : '';
  const first = copies.length > 0 ? `copy ${plural(copies.length, 'image')}${repaired}, then ` : '';
  const also = plan.connector ? 'change the connector and ' : '';
  const fields = plural(plan.changes.length, 'field');
  return confirm(`\nThis run will ${first}${also}switch ${fields} of Harness:\n${describeChanges(plan)}\n`, signal);
}

/**
 * Shows a text and asks for confirmation. Writes to standard error. Throws `InvalidInput` if standard error is a terminal
 * but no input is.
 */
export async function confirm(text: string, signal: AbortSignal): Promise<boolean> {
  process.stderr.write(text);
  // Standard input has ended if it carried the execution input.
  const input = process.stdin.isTTY && !process.stdin.destroyed ? process.stdin : controllingTerminal();
  const terminal = createInterface({ input, output: process.stderr });
  try {
    // A closed terminal counts as no. Older Node.js versions would wait forever.
    const closed = once(terminal, 'close', { signal }).then(() => '');
    const answer = await Promise.race([terminal.question('Continue? [y/N] ', { signal }), closed]);
    return /^y(?:es)?$/i.test(answer.trim());
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
