import { handle } from '../lambda/handle.ts';
import { copy } from './copy.ts';

export const handler = handle(copy);
