import { handle } from '../task.ts';
import { copy } from './copy.ts';

export const handler = handle(copy);
