import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePage, referencePath } from './page.ts';

writeFileSync(join(import.meta.dirname, '../../..', referencePath), await referencePage());
