import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../package/build.ts';
import { root } from '../package/root.ts';
import { buildRelease } from './build.ts';

const folder = join(root, 'release');
await buildRelease(folder, packageFolder);
console.log(`wrote release/: ${readdirSync(folder).join(', ')}`);
