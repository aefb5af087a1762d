import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { openFile } from './file-reader.ts';
import { type LayoutFiles, layoutInvalid, unreadable } from './layout-files.ts';

/** Returns the files of a layout in a folder. Paths come from checked digests, so that none leads out of it. */
export function folderFiles(folder: string): LayoutFiles {
  const pathOf = (path: string) => join(folder, path);
  return {
    name: folder,
    isLocal: true,
    placeOf: pathOf,
    async size(path) {
      const found = await lstat(pathOf(path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
        throw unreadable(pathOf(path), error);
      });
      // A link could lead anywhere, and a pipe would never end.
      if (found && !found.isFile()) throw layoutInvalid(pathOf(path), 'it is not a regular file');
      return found?.size;
    },
    async *read(path, start, signal) {
      const file = await openFile(pathOf(path));
      try {
        yield* file.read(start, file.size, signal);
      } finally {
        await file.close();
      }
    },
    close: async () => undefined,
  };
}
