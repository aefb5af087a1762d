import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { updateConfig } from './update-config.ts';

export const handler = handle(timed('update-config', updateConfig));
