import { handle } from '../lambda/handle.ts';
import { gate } from './gate.ts';

export const handler = handle(gate);
