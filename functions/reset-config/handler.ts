import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { resetConfig } from './reset-config.ts';

export const handler = handle(timed('reset-config', resetConfig));
