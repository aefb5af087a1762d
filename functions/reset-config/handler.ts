import { handle } from '../lambda/handle.ts';
import { resetConfig } from './reset-config.ts';

export const handler = handle(resetConfig);
