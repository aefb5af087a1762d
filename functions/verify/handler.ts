import { handle } from '../lambda/handle.ts';
import { verify } from './verify.ts';

export const handler = handle(verify);
