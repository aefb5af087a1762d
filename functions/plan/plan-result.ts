import type { Runtime } from '../runtime/runtime.ts';
import type { Plan } from '../state/documents.ts';

/** The part of a plan that the workflow reads. Everything else is in the plan document. */
export interface PlanResult {
  runId: string;
  route: 'copy' | 'configure' | 'verify' | 'rollback' | 'report';
  /** Indexes into the plan's images, wave by wave. */
  waves: number[][];
  maxConcurrency: number;
  /** True when the run waits for scans. */
  scan: boolean;
  prune: boolean;
}

/** Stores the plan of a run that copies and switches nothing. */
export async function planNothing(
  head: Omit<Plan, 'images' | 'changes' | 'kept' | 'unused' | 'warnings'>,
  route: 'rollback' | 'report',
  runtime: Runtime,
): Promise<PlanResult> {
  const { runId, maxConcurrency = 1 } = head;
  const nothing = { images: [], changes: [], kept: [], unused: [], warnings: [] };
  await runtime.run(runId).plan.put({ ...head, ...nothing });
  return { runId, route, waves: [], maxConcurrency, scan: false, prune: false };
}
