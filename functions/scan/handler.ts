import { handle } from '../task.ts';
import { scan } from './scan.ts';

export const handler = handle(scan);
