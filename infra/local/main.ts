import { enableCompileCache } from 'node:module';
import { isSea } from 'node:sea';
import { userFolder } from './user-folder.ts';

// Keep compiled code in the user's own folder, not in the shared temporary folder: cached code is executed.
// An executable file has its compiled code within.
const cache = isSea() ? undefined : userFolder('cache', process.env);
if (cache !== undefined) enableCompileCache(cache);
void run();

/** Not at the top level: `require`, with which the package loads this module, accepts no `await` there. */
async function run(): Promise<void> {
  // Before any schema is defined.
  await import('./parsers.ts');
  const { main } = await import('./cli.ts');
  process.exitCode = await main(process.argv.slice(2), process.env);
}
