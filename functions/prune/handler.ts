import { handle } from '../task.ts';
import { prune } from './prune.ts';

export const handler = handle(prune);
