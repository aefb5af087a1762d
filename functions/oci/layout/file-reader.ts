import { open, stat } from 'node:fs/promises';
import { layoutInvalid, unreadable } from './layout-files.ts';
import type { RangeReader } from './ranges.ts';

const chunkBytes = 128 * 1024;

/** Opens a file for reading. Throws `BundleInvalid`, whose cause is the error of the file system. */
export async function openFile(path: string): Promise<RangeReader> {
  const found = await attempt(path, stat(path));
  // To open a pipe waits for its writer.
  if (!found.isFile()) throw layoutInvalid(path, 'it is not a regular file');
  const file = await attempt(path, open(path, 'r'));
  return {
    name: path,
    size: found.size,
    isLocal: true,
    async *read(start, end, signal) {
      for (let at = start; at < end;) {
        signal?.throwIfAborted();
        const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at));
        const { bytesRead } = await attempt(`${path}, byte ${at}`, file.read(chunk, 0, chunk.length, at));
        if (bytesRead === 0) return;
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
    },
    close: () => file.close(),
  };
}

function attempt<T>(place: string, work: Promise<T>): Promise<T> {
  return work.catch((error: NodeJS.ErrnoException) => {
    throw unreadable(place, error);
  });
}
