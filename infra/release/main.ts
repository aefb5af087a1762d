import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageFolder } from '../package/build.ts';
import { root } from '../package/root.ts';
import { buildRelease } from './build.ts';

const folder = join(root, 'release');
const { values } = parseArgs({ options: { executables: { type: 'boolean', default: false } } });
await buildRelease(folder, packageFolder, values);
console.log(`wrote release/: ${readdirSync(folder).join(', ')}`);
