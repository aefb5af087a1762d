import { handle } from '../lambda/handle.ts';
import { prune } from './prune.ts';

export const handler = handle(prune);
