import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { rollback } from './rollback.ts';

export const handler = handle(timed('rollback', rollback));
