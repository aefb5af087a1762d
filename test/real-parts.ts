import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Whether a command that some suites run for real is on PATH. A suite whose part is missing is skipped, and counted so:
 * `(available('skopeo') ? describe : describe.skip)(...)`.
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
