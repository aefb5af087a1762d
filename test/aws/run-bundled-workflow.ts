import { runWorkflow, type Definition } from '../../infra/local/engine.ts';
import { readWorkflowDefinition } from '../../infra/workflow-definition.ts';

/**
 * Runs the workflow once with handlers as they are bundled for Lambda, in a process of its own that has nothing but the
 * environment variables of the functions. Usage: run-bundled-workflow.ts '{"PlanFunction": "/…/index.mjs", …}' 'INPUT'
 */
type Handler = (event: unknown, context: object) => Promise<unknown>;

const bundles = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>;
const input: unknown = JSON.parse(process.argv[3] ?? '{}');
const outcome = await runWorkflow(
  JSON.parse(readWorkflowDefinition()) as Definition,
  input,
  'run-1',
  async (name, payload) => {
    const bundle = bundles[name];
    if (bundle === undefined) throw new Error(`no bundle for ${name}`);
    const { handler } = (await import(bundle)) as { handler: Handler };
    return handler(payload, {});
  },
);
process.stdout.write(JSON.stringify(outcome));
