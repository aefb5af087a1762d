import { handle } from '../lambda/handle.ts';
import { plan } from './plan.ts';

export const handler = handle(plan, async () =>
  (await import('../lambda/own-executions.ts')).ownExecutions(process.env),
);
