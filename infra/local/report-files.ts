import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { cureOf, reasonOf } from './file-failure.ts';
import { makeFolder } from './make-folder.ts';

/** Creates the folder for `--out` and tests that it is writable. Throws `InvalidInput`. */
export async function prepareReportFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    const probe = draftIn(folder);
    await writeFile(probe, 'report').finally(() => rm(probe, { force: true }));
  } catch (cause) {
    throw new FactoryError('InvalidInput', `cannot write reports to ${folder}: ${reasonOf(cause)}`, {
      hint: `${cureOf(cause, folder)}, or name another folder with --out.`,
      cause,
    });
  }
}

/** Writes one report file. Returns a failure as a warning: the run is over, and its outcome stays. */
export async function writeReportFile(folder: string, name: string, text: () => string): Promise<string | undefined> {
  const [path, draft] = [join(folder, name), draftIn(folder)];
  try {
    // Rename into place, so that a full disk does not damage the report of an earlier run.
    await writeFile(draft, text());
    await rename(draft, path);
    return undefined;
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    return `cannot write ${path}: ${reasonOf(error)}`;
  }
}

function draftIn(folder: string): string {
  return join(folder, `.${randomUUID()}.draft`);
}
