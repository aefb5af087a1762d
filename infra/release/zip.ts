import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { zipSync, type Zippable } from 'fflate';

/** The earliest time of the format, which knows no time zones. */
const mtime = new Date(1980, 0, 1);
/** Unix, where the mode of a file is in the upper half: read by everybody, as Lambda wants it. */
const unix = { os: 3, attrs: (0o100644 << 16) >>> 0 };

/** Returns the files of a folder as a zip. The same files give the same bytes, on every machine and Node.js. */
export function zipFolder(folder: string): Uint8Array {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const zippable: Zippable = Object.fromEntries(
    files.map((file) => [
      relative(folder, file).split(sep).join('/'),
      [readFileSync(file), { level: 9, mtime, ...unix }],
    ]),
  );
  return zipSync(zippable);
}
