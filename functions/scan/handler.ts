import { handle } from '../lambda/handle.ts';
import { templates } from '../lambda/templates.ts';
import { scan } from './scan.ts';

export const handler = handle(scan, templates);
