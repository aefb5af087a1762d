import { bundles } from '../lambda/bundles.ts';
import { handle } from '../lambda/handle.ts';
import { ownExecutions } from '../lambda/own-executions.ts';
import { timed } from '../runtime/timed.ts';
import { plan } from './plan.ts';

export const handler = handle(timed('plan', plan), (environment) => ({
  ...ownExecutions(environment),
  ...bundles(environment),
}));
