import { enableCompileCache } from 'node:module';
import { userFolder } from './user-folder.ts';

// The command as it stands in the sources. In the user's own folder, for what is cached there gets executed.
const cache = userFolder('cache', process.env);
if (cache !== undefined) enableCompileCache(cache);
const { main } = await import('./cli.ts');

process.exitCode = await main(process.argv.slice(2), process.env);
