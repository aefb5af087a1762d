import { reasonOf } from './file-failure.ts';

/**
 * Keeps a command running when the reader of its output has gone, or the disk behind it is full: a run must not end
 * between two writes to Harness because a log could not be written.
 */
export function outliveReaders(...streams: readonly NodeJS.WriteStream[]): void {
  // `print` reports what failed; without a listener an error would end the process.
  for (const stream of streams) if (stream.listenerCount('error') === 0) stream.on('error', () => undefined);
}

/**
 * Writes a result to standard output, all of it. Returns the reason when that fails. A reader that has seen enough, as
 * `head` has, is no failure.
 */
export async function print(text: string): Promise<string | undefined> {
  const error = await new Promise<unknown>((resolve) => process.stdout.write(text, (failure) => resolve(failure)));
  return error && (error as NodeJS.ErrnoException).code !== 'EPIPE' ? reasonOf(error) : undefined;
}
