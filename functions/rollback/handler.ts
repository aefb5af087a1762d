import { handle } from '../lambda/handle.ts';
import { rollback } from './rollback.ts';

export const handler = handle(rollback);
