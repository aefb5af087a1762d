import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { ReadStream } from 'node:tty';
import { FactoryError } from '../../functions/errors.ts';
import type { Plan } from '../../functions/state/documents.ts';
import { describeChanges } from './summary.ts';

/**
 * Shows what a run will change, and asks. Speaks on standard error, so that standard output stays free for the result.
 * Throws `InvalidInput` where there is nobody to answer although a person seems to be watching.
 */
export async function confirmOnTerminal(plan: Plan, signal: AbortSignal): Promise<boolean> {
  const copies = plan.images.filter(({ status }) => status === 'copy');
  const repairs = copies.filter(({ missing }) => missing).length;
  const repaired = repairs > 0 ? ` (${repairs} of them only where they lack something)` : '';
  const first = copies.length > 0 ? `${copies.length} images will be copied${repaired}; then ` : '';
  process.stderr.write(
    `\n${first}${plan.changes.length} fields of Harness will be switched:\n${describeChanges(plan.changes)}\n`,
  );
  // Standard input that carried the execution input has ended.
  const input = process.stdin.isTTY && !process.stdin.destroyed ? process.stdin : controllingTerminal();
  const terminal = createInterface({ input, output: process.stderr });
  try {
    // A terminal that closes gives no answer; older Node.js versions would leave the question open.
    const closed = once(terminal, 'close', { signal }).then(() => '');
    const answer = await Promise.race([terminal.question('Go on? [y/N] ', { signal }), closed]);
    return /^y(?:es)?$/i.test(answer.trim());
  } catch (error) {
    // Interrupting at the question, or ending the input there (Ctrl-D), is an answer too.
    if (signal.aborted || (error as NodeJS.ErrnoException).code === 'ABORT_ERR') return false;
    throw error;
  } finally {
    terminal.close();
    if (input !== process.stdin) input.destroy();
  }
}

/** Standard input may carry the execution input; the person still sits at the terminal. */
function controllingTerminal(): ReadStream {
  try {
    return new ReadStream(openSync('/dev/tty', 'r'));
  } catch (cause) {
    throw new FactoryError('InvalidInput', 'cannot ask before Harness is switched: standard input is not a terminal', {
      hint: 'Add --yes, or name the input as a file.',
      cause,
    });
  }
}
