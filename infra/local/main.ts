import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// The command as it stands in the sources. In the user's own folder, for what is cached there gets executed.
enableCompileCache(join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'harness-ci-image-factory'));
const { main } = await import('./cli.ts');

process.exitCode = await main(process.argv.slice(2), process.env);
