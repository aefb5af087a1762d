import { copy } from '../../functions/copy/copy.ts';
import { exportBundle } from '../../functions/export/export.ts';
import { gate } from '../../functions/gate/gate.ts';
import { plan } from '../../functions/plan/plan.ts';
import { prune } from '../../functions/prune/prune.ts';
import { report } from '../../functions/report/report.ts';
import { resetConfig } from '../../functions/reset-config/reset-config.ts';
import { rollback } from '../../functions/rollback/rollback.ts';
import { scan } from '../../functions/scan/scan.ts';
import { snapshot } from '../../functions/snapshot/snapshot.ts';
import { updateConfig } from '../../functions/update-config/update-config.ts';
import { verify } from '../../functions/verify/verify.ts';
import { timed } from '../../functions/runtime/timed.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';

export type Task = (event: never, run: TaskRun) => Promise<unknown>;

/** The tasks behind the definition's placeholders. The handlers of the Lambda functions call the same tasks. */
export const tasks: Readonly<Record<string, Task>> = {
  CopyFunction: copy,
  ExportFunction: timed('export', exportBundle),
  GateFunction: timed('gate', gate),
  PlanFunction: timed('plan', plan),
  PruneFunction: timed('prune', prune),
  ReportFunction: report,
  ResetConfigFunction: timed('reset-config', resetConfig),
  RollbackFunction: timed('rollback', rollback),
  ScanFunction: timed('scan', scan),
  SnapshotFunction: timed('snapshot', snapshot),
  UpdateConfigFunction: timed('update-config', updateConfig),
  VerifyFunction: timed('verify', verify),
};

/** Tasks that an interruption must not stop: they roll back and report. */
export const uninterruptible: ReadonlySet<string> = new Set(['RollbackFunction', 'ReportFunction']);
