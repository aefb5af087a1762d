import { handle } from '../lambda/handle.ts';
import { templates } from '../lambda/templates.ts';
import { timed } from '../runtime/timed.ts';
import { scan } from './scan.ts';

export const handler = handle(timed('scan', scan), templates);
