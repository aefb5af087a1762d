import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { snapshot } from './snapshot.ts';

export const handler = handle(timed('snapshot', snapshot));
