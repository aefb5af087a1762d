import { handle } from '../lambda/handle.ts';
import { snapshot } from './snapshot.ts';

export const handler = handle(snapshot);
