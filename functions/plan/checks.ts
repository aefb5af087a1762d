import { examine } from '../doctor/doctor.ts';
import { subjectOf } from '../doctor/subject.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { RunSettings } from '../settings/run-settings.ts';
import { settingsInPlan } from '../state/documents/plan.ts';
import { planNothing, type PlanResult } from './plan-result.ts';

/** Checks everything that runs need, and stores the findings as the plan of a run that does nothing else. */
export async function planChecks(
  settings: RunSettings,
  { runId, startedAt }: { runId: string; startedAt: Date },
  { runtime, signal }: TaskRun,
): Promise<PlanResult> {
  const subject = { ...subjectOf(settings), runtime, environment: process.env };
  const checks = await examine(subject, signal);
  const head = { ...settingsInPlan.parse(settings), runId, startedAt: startedAt.toISOString(), checks };
  return planNothing(head, 'report', runtime);
}
