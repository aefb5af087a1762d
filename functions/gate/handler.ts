import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { gate } from './gate.ts';

export const handler = handle(timed('gate', gate));
