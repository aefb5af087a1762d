import { handle } from '../task.ts';
import { gate } from './gate.ts';

export const handler = handle(gate);
