import { isWindowsOnly } from '../harness/windows-fields.ts';

/**
 * Explains why a run copied no image of these fields, if all of them are for Windows: most accounts have no Windows nodes.
 *
 * @param fields with their scope: `ci K8 addonTagRootless`
 */
export function windowsNote(fields: readonly string[]): string | undefined {
  const isWindows =
    fields.length > 0 && fields.every((field) => isWindowsOnly(field.slice(field.lastIndexOf(' ') + 1)));
  return isWindows ? 'for Windows nodes only; copied with include_windows_rootless' : undefined;
}
