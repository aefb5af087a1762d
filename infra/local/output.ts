import { reasonOf } from './file-failure.ts';

/**
 * Keeps the command running after the reader of its output has ended or the disk is full. A run must not end between
 * two writes to Harness because of a log.
 */
export function outliveReaders(...streams: readonly NodeJS.WriteStream[]): void {
  // `print` reports the failure. An error without a listener would end the process.
  for (const stream of streams) if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
}

/**
 * Writes the whole result to standard output. Returns the reason of a failure. A reader that ends early, such as
 * `head`, is not a failure.
 */
export async function print(text: string): Promise<string | undefined> {
  const error = await new Promise<unknown>((resolve) => process.stdout.write(text, (failure) => resolve(failure)));
  return error && (error as NodeJS.ErrnoException).code !== 'EPIPE' ? reasonOf(error) : undefined;
}
