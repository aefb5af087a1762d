import { handle } from '../task.ts';
import { verify } from './verify.ts';

export const handler = handle(verify);
