import { FactoryError } from '../../functions/errors.ts';
import { stream } from '../../functions/settings/bundle-address.ts';
import { printableJson } from '../../functions/text/printable.ts';
import { onInterruption } from './interruptions.ts';
import { print } from './output.ts';

/** Exit codes: succeeded or skipped, failed, bad input or configuration. */
export const exit = { success: 0, failure: 1, badInput: 2 };

interface Output {
  /** One JSON document in place of text, for errors too. */
  json?: boolean;
  /** The place of a bundle: with `-`, standard output carries it, and nothing else. */
  to?: string;
}

/** Does work that a signal interrupts. A second signal ends the process. Returns the exit code. */
export async function interruptible(
  action: string,
  options: Output,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const interruption = new AbortController();
  const { signal } = interruption;
  const stopListening = onInterruption(() => {
    interruption.abort();
    stopListening();
  });
  try {
    return await work(signal);
  } catch (error) {
    return await failed(action, error, options, signal);
  } finally {
    stopListening();
  }
}

/** Prints a result. Reports a failure to print on standard error. */
export async function tell(text: string, elsewhere = ''): Promise<void> {
  const reason = await print(text);
  if (reason !== undefined) process.stderr.write(`Warning: cannot write to standard output: ${reason}${elsewhere}\n`);
}

/** Prints a failure as JSON where that was asked for, and returns the exit code. Else throws it, to be printed as text. */
export async function failed(
  action: string,
  error: unknown,
  { json, to }: Output,
  signal: AbortSignal,
): Promise<number> {
  const failure =
    signal.aborted && !(error instanceof FactoryError)
      ? new FactoryError('Interrupted', 'the command was interrupted', { hint: 'Run the command again.' })
      : FactoryError.from(error);
  if (!json) throw failure;
  const text = `${printableJson({ status: 'FAILED', action, error: failure })}\n`;
  if (to === stream) process.stderr.write(text);
  else await tell(text);
  return codeOf(failure.name);
}

export function codeOf(name: string | undefined): number {
  return name === 'InvalidInput' || name === 'InvalidConfiguration' ? exit.badInput : exit.failure;
}
