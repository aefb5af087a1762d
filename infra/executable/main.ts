import { relative } from 'node:path';
import { buildExecutable } from './build.ts';
import { ownPlatform, platformOf } from './node-binary.ts';

const names = process.argv.slice(2);
for (const platform of (names.length > 0 ? names : [ownPlatform]).map(platformOf))
  console.log(`built ${relative('.', await buildExecutable(platform))}`);
