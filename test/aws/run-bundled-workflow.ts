import { type Definition, runWorkflow, type WorkflowOutcome } from '../../infra/local/engine.ts';
import { placeholderOf, readWorkflowDefinition } from '../../infra/workflow-definition.ts';
import type { LambdaFunction } from './lambda-function.ts';

/** Runs the workflow once with functions as they are bundled for Lambda, by the names of their tasks. */
export async function runBundledWorkflow(
  functions: ReadonlyMap<string, LambdaFunction>,
  input: unknown,
  runId: string,
): Promise<WorkflowOutcome> {
  const byPlaceholder = new Map([...functions].map(([task, lambda]) => [placeholderOf(task), lambda]));
  const definition = JSON.parse(readWorkflowDefinition()) as Definition;
  return runWorkflow(definition, {
    input,
    name: runId,
    invoke: async (name, event) => {
      const lambda = byPlaceholder.get(name);
      if (!lambda) throw new Error(`no function for ${name}`);
      return lambda.invoke(event);
    },
  });
}
