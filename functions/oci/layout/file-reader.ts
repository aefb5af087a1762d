import { open } from 'node:fs/promises';
import type { RangeReader } from './ranges.ts';

const chunkBytes = 128 * 1024;

/** Opens a file for reading. Throws the error of the file system. */
export async function openFile(path: string): Promise<RangeReader> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  return {
    name: path,
    size,
    isLocal: true,
    async *read(start, end, signal) {
      for (let at = start; at < end;) {
        signal?.throwIfAborted();
        const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) return;
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
    },
    close: () => file.close(),
  };
}
