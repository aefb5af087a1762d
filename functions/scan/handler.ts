import { handle } from '../lambda/handle.ts';
import { scan } from './scan.ts';

export const handler = handle(scan);
