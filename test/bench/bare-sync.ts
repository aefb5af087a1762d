import { readFile } from 'node:fs/promises';
import { HarnessClient } from '../../functions/harness/client.ts';
import { Transport } from '../../functions/http/transport.ts';
import { type Definition, runWorkflow } from '../../infra/local/engine.ts';
import { copyJob } from './copy-job.ts';
import type { Job } from './peers.ts';

/**
 * Syncs a job (a file, the first argument) with the engine, the workflow engine and three requests to Harness. It has no
 * settings, plan, state, snapshot, verification or report: a sync on these parts cannot take less time.
 */
const job = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Omit<Job, 'home'>;
const transport = new Transport();
const harness = new HarnessClient({ ...job.harness, transport });
const scope = { module: 'ci', infrastructureType: 'K8' } as const;
const [image] = job.images;

const steps: Readonly<Record<string, () => Promise<unknown>>> = {
  read: () => harness.defaultConfig(scope),
  copy: () => copyJob(job, transport),
  switch: () =>
    harness.updateConfig(scope, [{ field: 'image0Tag', value: `${job.target}/${image?.repository}:${image?.tag}` }]),
  verify: () => harness.overrides(scope),
};
const names = Object.keys(steps);
const states = names.map((name, index): [string, Definition['States'][string]] => {
  const next = names[index + 1];
  const task = { Type: 'Task', Resource: 'function', Parameters: { FunctionName: name, Payload: {} } };
  return [name, { ...task, ...(next === undefined ? { End: true } : { Next: next }) }];
});
const invoke = async (name: string) => {
  await steps[name]?.();
  return {};
};
const definition = { StartAt: 'read', States: Object.fromEntries(states) };
const outcome = await runWorkflow(definition, { input: {}, name: 'bench', invoke });
await transport.close();
if (outcome.status === 'FAILED') throw new Error(outcome.cause);
