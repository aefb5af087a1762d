import type { Phase, PhaseName } from '../state/documents.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import type { TaskRun } from './task-run.ts';

type Task<Event, Result> = (event: Event, run: TaskRun) => Promise<Result>;

/** Wraps a task of the workflow so that the time of each call is recorded, also of one that fails. */
export function timed<Event extends { runId: string }, Result>(
  name: PhaseName,
  task: Task<Event, Result>,
): Task<Event, Result> {
  return async (event, run) => {
    const startedAt = new Date().toISOString();
    try {
      return await task(event, run);
    } finally {
      await record(run.runtime.run(event.runId), { name, startedAt, endedAt: new Date().toISOString() });
    }
  };
}

/** Records a call. The calls of one step in a row are one phase. A failure costs a line of the report, and no run. */
async function record({ phases }: RunDocuments, call: Phase): Promise<void> {
  try {
    // Names of executions can be reused: a plan begins a new run.
    const known = call.name === 'plan' ? [] : ((await phases.find()) ?? []);
    const last = known.at(-1);
    const isSame = last?.name === call.name;
    await phases.put(isSame ? [...known.slice(0, -1), { ...call, startedAt: last.startedAt }] : [...known, call]);
  } catch {
    return;
  }
}
