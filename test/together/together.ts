import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, describe } from '@jest/globals';
import { forgetSecrets } from '../../functions/text/secrets.ts';
import { testFiles } from './files.ts';

const root = join(import.meta.dirname, '../..');
const require = createRequire(import.meta.url);

/** The number of parts of each project. */
const parts = { unit: 2, integration: 24 };

/**
 * Declares the tests of a part of a project: part 1 has the first of its files. Jest loads every module anew for each file that it
 * runs, and V8 compiles it again, which took a second for most. The tests of a file are within a `describe` of its path.
 */
export function together(project: keyof typeof parts, part: number): void {
  const files = testFiles()[project];
  const end = (count: number) => Math.round((files.length * count) / parts[project]);
  for (const file of files.slice(end(part - 1), end(part)))
    describe(file, () => {
      require(join(root, file));
      afterAll(forgetSecrets);
    });
}
