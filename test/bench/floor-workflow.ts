import { Command } from 'commander';
import { z } from 'zod';
import { type Definition, runWorkflow } from '../../infra/local/engine.ts';
import { readWorkflowDefinition } from '../../infra/workflow-definition.ts';
import { bareSync, type BareJob, imagesInFlight, readJob } from './bare-copy.ts';
import { connectWithUndici, disconnect } from './undici-client.ts';

/**
 * The least time of a sync by the workflow: the loop of `floor-undici`, the command line and parsers of the product, the
 * interpreter on the real definition, and the requests to Harness of a sync. A request waits only for those it needs.
 */
// Before any schema is defined, as in the command.
await import('../../infra/local/parsers.ts');
new Command('floor').argument('<job>').parse();
const address = z.string();
const job: z.ZodType<BareJob> = z.object({
  images: z.array(z.object({ repository: address, tag: address })),
  scheme: z.enum(['http', 'https']),
  source: address,
  target: address,
  harness: z.object({ url: address, apiKey: address }),
});
const { images, harness, copy } = bareSync(job.parse(await readJob()), connectWithUndici);

let permission: Promise<void> | undefined;
const tasks: Readonly<Record<string, (payload: never) => Promise<object>>> = {
  PlanFunction: async () => {
    await Promise.all([harness.connector(), harness.defaults(), harness.overrides()]);
    permission = harness.mayWrite();
    const waves = [[...images.keys()]];
    return { runId: 'bench', route: 'copy', waves, maxConcurrency: imagesInFlight, scan: false, prune: false };
  },
  CopyFunction: async ({ image }: { image: number }) => {
    for (const wanted of images.slice(image, image + 1)) await copy(wanted);
    return { status: 'copied', waitSeconds: 0 };
  },
  GateFunction: async () => {
    await permission;
    return { route: 'configure' };
  },
  SnapshotFunction: async () => {
    await harness.overrides();
    return { updates: 1, resets: 0 };
  },
  UpdateConfigFunction: async () => {
    await harness.switchImage();
    return { status: 'done' };
  },
  VerifyFunction: async () => {
    await Promise.all([harness.overrides(), harness.connector()]);
    return { status: 'done' };
  },
  ReportFunction: async ({ state: { error } }: { state: { error?: { Error: string; Cause: string } } }) =>
    error ? { status: 'FAILED', error: { name: error.Error }, cause: error.Cause } : { status: 'SUCCEEDED' },
};

const outcome = await runWorkflow(JSON.parse(readWorkflowDefinition()) as Definition, {
  input: {},
  name: 'bench',
  invoke: async (name, payload) => {
    const task = tasks[name];
    if (!task) throw new Error(`the floor of the workflow has no ${name}`);
    return task(payload as never);
  },
});
await disconnect();
if (outcome.status === 'FAILED') throw new Error(outcome.cause);
