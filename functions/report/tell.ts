import { redacted } from '../http/redact.ts';
import type { Delivery, Report, Told } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ConsoleLinks } from '../text/console.ts';
import { sendCallback } from './callback.ts';
import { notificationOf } from './notification.ts';
import { outcomeDetailOf, type Planned } from './outcome-event.ts';

/**
 * Notifies everyone who is configured to hear of the end of a run. Safe to repeat when the report is retried. Returns
 * warnings.
 *
 * - The callback starts a pipeline, so it is sent at most once. An attempt that ended during the callback is a warning.
 * - People are notified, and the event is put on the bus, at least once. Each is repeated only after an attempt that ended
 * between it and its record.
 * - The metrics of a run are recorded once, because they are sums.
 */
export async function tell(
  report: Report,
  { planned, links }: { planned: Planned; links?: ConsoleLinks | undefined },
  runtime: Runtime,
): Promise<string[]> {
  const startedAt = planned?.startedAt;
  const document = runtime.run(report.runId).told;
  // Notify even when the state cannot be read.
  const known = await document.find().catch(() => undefined);
  const told: Told = known && known.startedAt === startedAt ? known : { startedAt, warnings: [] };
  const warnings = [...told.warnings];
  const note = (more: Partial<Told>) => document.put(Object.assign(told, more)).catch(() => undefined);
  if (runtime.parts.callbackTarget && told.callback === undefined) {
    await note({ callback: 'begun' });
    const warning = await sendCallback(report, runtime);
    if (warning !== undefined) warnings.push(warning);
    await note({ callback: 'done', warnings: [...warnings] });
  } else if (told.callback === 'begun') {
    warnings.push('callback to Harness may have failed: the report task ended during it');
    await note({ callback: 'done', warnings: [...warnings] });
  }
  // So far, the warnings are those of the callback.
  const failed: Delivery[] = warnings.length > 0 ? ['callback'] : [];
  const deliver = async (delivery: Delivery, record: Partial<Told>, work: () => Promise<void>) => {
    try {
      await work();
      await note(record);
    } catch (error) {
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      warnings.push(`${delivery} failed: ${redacted(reason)}`);
      failed.push(delivery);
    }
  };
  const { notify, events } = runtime.parts;
  const { location } = runtime.run(report.runId).report;
  if (notify && !told.notified)
    await deliver('notification', { notified: true }, () => notify(notificationOf(report, location, links)));
  if (events && !told.emitted)
    await deliver('event', { emitted: true }, () =>
      events.put(outcomeDetailOf(report, planned, { factory: events.factory, location, links })),
    );
  if (!told.recorded) {
    await note({ recorded: true });
    const more = warnings.length > 0 && { warnings: [...(report.warnings ?? []), ...warnings] };
    runtime.parts.record?.({ ...report, ...more }, failed);
  }
  return warnings;
}
