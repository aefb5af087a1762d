import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { prune } from './prune.ts';

export const handler = handle(timed('prune', prune));
