import { handle } from '../task.ts';
import { plan } from './plan.ts';

export const handler = handle(plan);
