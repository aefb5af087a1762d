import { handle } from '../task.ts';
import { snapshot } from './snapshot.ts';

export const handler = handle(snapshot);
