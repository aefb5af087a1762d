import { Executions } from '../aws/executions.ts';
import type { RuntimeParts } from '../runtime/runtime.ts';
import type { Environment } from '../settings/configuration.ts';

/** How the plan task looks up executions of the workflow that it is part of. */
export function ownExecutions(environment: Environment): Pick<RuntimeParts, 'findExecution'> {
  const stateMachineArn = environment['STATE_MACHINE_ARN'];
  if (!stateMachineArn) return {};
  const executions = new Executions(stateMachineArn);
  return { findExecution: (runId) => executions.find(runId) };
}
