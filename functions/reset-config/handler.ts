import { handle } from '../task.ts';
import { resetConfig } from './reset-config.ts';

export const handler = handle(resetConfig);
