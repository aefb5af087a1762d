import { handle } from '../task.ts';
import { rollback } from './rollback.ts';

export const handler = handle(rollback);
