import { redacted } from '../http/redact.ts';
import type { Plan, Report } from '../state/documents.ts';
import { copiesImages } from '../settings/input-schema.ts';
import { addressLimit, itemsLimit, type Outcome, type OutcomeDetail, textLimit } from '../state/outcome-event.ts';
import type { ConsoleLinks } from '../text/console.ts';
import { printable } from '../text/printable.ts';

/** The parts of a plan that an outcome depends on. Absent when the input was refused. */
export type Planned = Pick<Plan, 'startedAt' | 'modifyDefault'> | undefined;

/** The place of a run, as its event names it. */
interface Place {
  factory: string;
  /** The location of the whole report. */
  location: string;
  /** Addresses in the console; absent where it has no known host. */
  links: ConsoleLinks | undefined;
}

/** Returns the event at the end of a run, for machines. */
export function outcomeDetailOf(report: Report, planned: Planned, { factory, location, links }: Place): OutcomeDetail {
  const {
    runId,
    action,
    awaiting,
    reason = awaiting?.reason,
    error,
    images,
    config,
    connector,
    totals,
    warnings = [],
  } = report;
  const fields = (...statuses: (typeof config)[number]['status'][]) =>
    config.filter(({ status }) => statuses.includes(status)).length;
  return {
    version: 1,
    factory,
    runId: text(runId),
    ...(planned && { startedAt: planned.startedAt }),
    action,
    outcome: outcomeOf(report, planned),
    ...(reason !== undefined && { reason: text(reason) }),
    ...(error && { error: { name: text(error.name), message: text(error.message), hint: text(error.hint) } }),
    images: {
      total: totals.images,
      copied: totals.copied,
      repaired: totals.repaired ?? 0,
      skipped: totals.skipped,
      failed: totals.failed,
      failures: images
        .filter(({ status }) => status === 'failed')
        .slice(0, itemsLimit)
        .map((row) => ({ image: text(row.image), ...(row.error && { error: text(row.error.name) }) })),
    },
    fields: {
      changed: fields('updated', 'reset'),
      rejected: fields('rejected'),
      rolledBack: fields('rolled-back'),
    },
    ...(connector && {
      connector: {
        reference: text(connector.reference),
        before: text(connector.before),
        after: text(connector.after),
        status: connector.status,
      },
    }),
    bytesTransferred: totals.bytesTransferred,
    durationMs: totals.durationMs,
    warnings: warnings.slice(0, itemsLimit).map(text),
    report: text(location),
    ...(links && isShort(links.execution) && { console: consoleOf(links) }),
  };
}

function consoleOf({ execution, page }: ConsoleLinks): OutcomeDetail['console'] {
  return { execution, ...(page !== undefined && isShort(page) && { page }) };
}

function isShort(address: string): boolean {
  return address.length <= addressLimit;
}

function outcomeOf({ status, action, error, config, connector, awaiting }: Report, planned: Planned): Outcome {
  if (status === 'SKIPPED') return 'skipped';
  if (status === 'SUCCEEDED') {
    const leavesSwitch = awaiting !== undefined && config.every((row) => row.status !== 'updated');
    const isCopyOnly = copiesImages(action) && (planned?.modifyDefault === false || leavesSwitch);
    return isCopyOnly ? 'copied-only' : 'succeeded';
  }
  if (error?.name === 'RollbackFailed') return 'left-switched';
  return [...config, connector].some((row) => row?.status === 'rolled-back') ? 'rolled-back' : 'failed';
}

/** Makes text of other parties safe for whatever shows it. Harness finds no expression of its own in it. */
function text(value: string): string {
  return printable(redacted(value), textLimit - 10)
    .replaceAll('<+', '< +')
    .slice(0, textLimit);
}
