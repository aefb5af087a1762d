import { createInterface } from 'node:readline/promises';
import type { Plan } from '../../functions/run/documents.ts';
import { describeChanges } from './summary.ts';

/** Shows on standard error what a run will change and asks; standard output stays free for the result. */
export async function confirmOnTerminal(plan: Plan, signal: AbortSignal): Promise<boolean> {
  const copies = plan.images.filter(({ status }) => status === 'copy').length;
  process.stderr.write(
    `\n${copies > 0 ? `${copies} images will be copied, then ` : ''}Harness will be switched:\n${describeChanges(plan.changes)}\n`,
  );
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question('Go on? [y/N] ', { signal });
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
