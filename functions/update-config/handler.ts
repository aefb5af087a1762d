import { handle } from '../lambda/handle.ts';
import { updateConfig } from './update-config.ts';

export const handler = handle(updateConfig);
