import { globSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { afterAll, describe } from '@jest/globals';
import { forgetSecrets } from '../../functions/text/secrets.ts';
// oxlint-disable-next-line import/no-unassigned-import -- its hook must be outside of every suite
import '../at-end.ts';
import { type Project, testFiles } from './files.ts';

const root = join(import.meta.dirname, '../..');
const require = createRequire(import.meta.url);

/**
 * Declares the tests of one part of a project, each file's within a `describe` of its path. `unit-1.test.ts` has the first
 * files of the project `unit`, and so on. Jest loads and compiles every module again for each file that it runs, which took a
 * quarter of the time of all tests. A secret of one file may be a word that another expects, so they are forgotten.
 */
export function together(filename: string): void {
  const name = basename(filename);
  const project = name.split('-')[0] as Project;
  const parts = globSync(`${project}-*.test.ts`, { cwd: import.meta.dirname }).toSorted();
  const files = testFiles()[project];
  const start = (part: number) => Math.round((files.length * part) / parts.length);
  const part = parts.indexOf(name);
  for (const file of files.slice(start(part), start(part + 1)))
    describe(file, () => {
      require(join(root, file));
      forgetSecrets();
      afterAll(forgetSecrets);
    });
}
