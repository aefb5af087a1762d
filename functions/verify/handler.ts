import { bundles } from '../lambda/bundles.ts';
import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { verify } from './verify.ts';

export const handler = handle(timed('verify', verify), (environment) => bundles(environment));
