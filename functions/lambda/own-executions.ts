import { Executions } from '../aws/executions.ts';
import type { RuntimeParts } from '../runtime/runtime.ts';
import type { Environment } from '../settings/configuration.ts';

/** Looks up executions of the workflow for its plan task, and names the command that starts one. */
export function ownExecutions(environment: Environment): Pick<RuntimeParts, 'findExecution' | 'startCommand'> {
  const stateMachineArn = environment['STATE_MACHINE_ARN'];
  if (!stateMachineArn) return {};
  const executions = new Executions(stateMachineArn);
  return {
    findExecution: (runId) => executions.find(runId),
    startCommand: (input) => executions.startCommand(input),
  };
}
