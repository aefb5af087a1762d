import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Returns whether a command that some suites run is on PATH. A suite whose command is missing is skipped, and counted
 * as skipped: `(available('skopeo') ? describe : describe.skip)(...)`.
 */
export function available(command: string): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
