import { randomUUID } from 'node:crypto';
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { cureOf, reasonOf } from './file-failure.ts';
import { makeFolder } from './make-folder.ts';

/** Creates the folder for `--out` and tests that it is writable. Throws `InvalidInput`. */
export async function prepareReportFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await probe(folder);
  } catch (cause) {
    throw new FactoryError('InvalidInput', `cannot write reports to ${folder}: ${reasonOf(cause)}`, {
      hint: `${cureOf(cause, folder)}, or name another folder with --out.`,
      cause,
    });
  }
}

/** Tests that the file that an option names can be written, in a folder that exists. Throws `InvalidInput`. */
export async function prepareReportFile(option: string, path: string): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  const unusable = (reason: string, hint: string, cause?: unknown) =>
    new FactoryError('InvalidInput', `${option}: cannot write ${path}: ${reason}`, { hint, cause });
  const found = await stat(join(folder, name)).catch(() => undefined);
  if (found?.isDirectory()) throw unusable('it is a folder', `Name a file with ${option}.`);
  await probe(folder).catch((cause: unknown) => {
    const isMissing = Object(cause).code === 'ENOENT';
    const cure = isMissing ? `Create ${folder}` : cureOf(cause, folder);
    throw unusable(reasonOf(cause), `${cure}, or name a file in another folder with ${option}.`, cause);
  });
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

async function probe(folder: string): Promise<void> {
  const draft = draftIn(folder);
  await writeFile(draft, 'report').finally(() => rm(draft, { force: true }));
}

function draftIn(folder: string): string {
  return join(folder, `.${randomUUID()}.draft`);
}
