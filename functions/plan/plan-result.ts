import type { Runtime } from '../runtime/runtime.ts';
import type { Plan } from '../state/documents.ts';

/** The part of a plan that the workflow reads. Everything else is in the plan document. */
export interface PlanResult {
  runId: string;
  route: 'copy' | 'export' | 'configure' | 'verify' | 'verify-bundle' | 'rollback' | 'report';
  /** Indexes into the plan's images, wave by wave. */
  waves: number[][];
  maxConcurrency: number;
  /** True when the run waits for scans. */
  scan: boolean;
  prune: boolean;
}

/** The part of a plan that is known before anything is looked up. */
export type PlanHead = Omit<Plan, 'images' | 'changes' | 'kept' | 'unused' | 'warnings'>;

/** Stores the plan of a run that does nothing. */
export async function planNothing(head: PlanHead, route: 'rollback' | 'report', runtime: Runtime): Promise<PlanResult> {
  const nothing = { images: [], changes: [], kept: [], unused: [], warnings: [] };
  return planNoCopies({ ...head, ...nothing }, route, runtime);
}

/** Stores the plan of a run that copies nothing to a registry and switches nothing. */
export async function planNoCopies(plan: Plan, route: PlanResult['route'], runtime: Runtime): Promise<PlanResult> {
  const { runId, maxConcurrency = 1 } = plan;
  await runtime.run(runId).plan.put(plan);
  return { runId, route, waves: [], maxConcurrency, scan: false, prune: false };
}
