import { reasonOf } from './file-failure.ts';

/** Keeps the command running without readers or disk space: no log may end a run between two writes to Harness. */
export function outliveReaders(...streams: readonly NodeJS.WriteStream[]): void {
  // `print` reports the failure. An error without a listener would end the process.
  for (const stream of streams) if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
}

/** Writes the result to standard output. Returns the reason of a failure; a reader such as `head` may end early. */
export async function print(text: string): Promise<string | undefined> {
  const error = await new Promise<unknown>((resolve) => process.stdout.write(text, (failure) => resolve(failure)));
  return error && (error as NodeJS.ErrnoException).code !== 'EPIPE' ? reasonOf(error) : undefined;
}
