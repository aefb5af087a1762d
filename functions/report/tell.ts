import type { Report, Told } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { sendCallback } from './callback.ts';
import { sendNotification } from './notification.ts';

/**
 * Tells everyone who wants to hear of the end of a run, also when the report is tried again. Returns warnings.
 *
 * - The callback starts a pipeline, so it is made at most once: a try that ended in the middle of it is a warning.
 * - People are notified at least once: only a try that ended between the message and its note sends the message again.
 * - The numbers of a run are recorded once: they are added up.
 */
export async function tell(report: Report, startedAt: string | undefined, runtime: Runtime): Promise<string[]> {
  const document = runtime.run(report.runId).told;
  // A state that fails keeps nobody from hearing of the end.
  const known = await document.find().catch(() => undefined);
  const told: Told = known && known.startedAt === startedAt ? known : { startedAt, warnings: [] };
  const warnings = [...told.warnings];
  const note = (more: Partial<Told>) => document.put(Object.assign(told, more)).catch(() => undefined);
  if (runtime.callbackTarget && told.callback === undefined) {
    await note({ callback: 'begun' });
    const warning = await sendCallback(report, runtime);
    if (warning !== undefined) warnings.push(warning);
    await note({ callback: 'done', warnings: [...warnings] });
  } else if (told.callback === 'begun') {
    warnings.push('Harness may not have been told of the end: the report task ended during the callback');
    await note({ callback: 'done', warnings: [...warnings] });
  }
  if (runtime.notify && !told.notified) {
    const warning = await sendNotification(report, runtime);
    if (warning === undefined) await note({ notified: true });
    else warnings.push(warning);
  }
  if (!told.recorded) {
    await note({ recorded: true });
    runtime.record(warnings.length > 0 ? { ...report, warnings: [...(report.warnings ?? []), ...warnings] } : report);
  }
  return warnings;
}
