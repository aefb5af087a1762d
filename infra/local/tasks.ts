import { handler as copy } from '../../functions/copy/handler.ts';
import { handler as gate } from '../../functions/gate/handler.ts';
import { handler as plan } from '../../functions/plan/handler.ts';
import { handler as prune } from '../../functions/prune/handler.ts';
import { handler as report } from '../../functions/report/handler.ts';
import { handler as resetConfig } from '../../functions/reset-config/handler.ts';
import { handler as rollback } from '../../functions/rollback/handler.ts';
import { handler as scan } from '../../functions/scan/handler.ts';
import { handler as snapshot } from '../../functions/snapshot/handler.ts';
import { handler as updateConfig } from '../../functions/update-config/handler.ts';
import { handler as verify } from '../../functions/verify/handler.ts';
import type { TaskContext } from '../../functions/task.ts';

/** The handlers of the definition's placeholders. Lambda runs the same handlers. */
export const tasks: Readonly<Record<string, (event: never, context: TaskContext) => Promise<unknown>>> = {
  CopyFunction: copy,
  GateFunction: gate,
  PlanFunction: plan,
  PruneFunction: prune,
  ReportFunction: report,
  ResetConfigFunction: resetConfig,
  RollbackFunction: rollback,
  ScanFunction: scan,
  SnapshotFunction: snapshot,
  UpdateConfigFunction: updateConfig,
  VerifyFunction: verify,
};

/** Tasks that an interruption must not stop: they roll back and report. */
export const uninterruptible: ReadonlySet<string> = new Set(['RollbackFunction', 'ReportFunction']);
