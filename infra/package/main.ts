import { relative } from 'node:path';
import { buildPackage, packageFolder } from './build.ts';

const bundled = await buildPackage(packageFolder);
console.log(`built ${relative('.', packageFolder)}, with code of ${bundled.length} packages`);
