import { handle } from '../task.ts';
import { updateConfig } from './update-config.ts';

export const handler = handle(updateConfig);
