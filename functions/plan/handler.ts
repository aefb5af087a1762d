import { handle } from '../lambda/handle.ts';
import { ownExecutions } from '../lambda/own-executions.ts';
import { plan } from './plan.ts';

export const handler = handle(plan, ownExecutions);
