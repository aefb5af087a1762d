import { join } from 'node:path';
import { makePictures } from './make-pictures.ts';

await makePictures(process.argv[2] ?? join(import.meta.dirname, '../../docs/pictures'));
