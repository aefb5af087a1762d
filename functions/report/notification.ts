import prettyBytes from 'pretty-bytes';
import { describeConnector } from '../overrides/connector-change.ts';
import type { ConfigResult, Notification, Report } from '../state/documents.ts';
import type { Check } from '../state/documents/checks.ts';
import type { ConsoleLinks } from '../text/console.ts';
import { cellLimit, printable } from '../text/printable.ts';

/** Rows of each list: people read e-mails on a phone. */
const rowsLimit = 10;
/** More characters than a command that names an execution input usually has: half of one is of no use. */
const commandLimit = 20_000;
/** Half of an address is of no use either. */
const addressLimit = 4_000;

/**
 * Summarizes a report in a few lines. `location` is the location of the whole report. `links` lead to the console, which
 * asks who reads them: a signed address would be a secret in a mailbox.
 */
export function notificationOf(report: Report, location: string, links?: ConsoleLinks): Notification {
  const {
    status,
    action,
    runId,
    startedBy,
    reason,
    images,
    config,
    connector,
    totals,
    warnings = [],
    error,
    awaiting,
    checks,
  } = report;
  const written = config.filter((row) => row.status !== 'unchanged');
  const paragraphs = [
    [`${action} ${status}${reason === undefined ? '' : `: ${short(reason)}`}`],
    error ? [short(`${error.name}: ${error.message}`), `What to do: ${short(error.hint)}`] : [],
    awaiting ? [short(awaiting.reason), `To switch: ${printable(awaiting.command, commandLimit)}`] : [],
    images.length > 0 ? [`${totals.images} images: ${countsOf(report)}`] : [],
    listed(
      'Copied',
      images.filter((row) => row.status === 'copied').map(({ image }) => image),
    ),
    listed(
      'Repaired',
      images.filter((row) => row.status === 'repaired').map(({ image }) => image),
    ),
    listed(
      'Failed',
      images.filter((row) => row.status === 'failed').map((row) => `${row.image}: ${row.error?.message}`),
    ),
    listed('Harness', [...(connector ? [describeConnector(connector)] : []), ...written.map(lineOf)]),
    listed('Checks', (checks ?? []).filter(({ status }) => status !== 'ok').map(describeCheck)),
    listed('Warnings', warnings),
    [
      `Run: ${short(runId)}`,
      ...(startedBy === undefined ? [] : [`Started by: ${short(startedBy)}`]),
      ...(links?.page === undefined ? [] : [`Page: ${printable(links.page, addressLimit)}`]),
      ...(links ? [`Execution: ${printable(links.execution, addressLimit)}`] : []),
      `Report: ${short(location)}`,
    ],
  ];
  return {
    subject: `Harness CI images: ${action} ${status}${error ? ` (${error.name})` : ''}`,
    text: paragraphs
      .filter((lines) => lines.length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n'),
    attributes: { status, action },
  };
}

function describeCheck({ name, status, message, cure }: Check): string {
  return `${status} ${name}: ${message}${cure === undefined ? '' : `. Cure: ${cure}`}`;
}

function countsOf({ action, images, totals }: Report): string {
  const { copied, repaired = 0, skipped, failed, bytesTransferred } = totals;
  const size = prettyBytes(bytesTransferred);
  const planned = images.filter(({ status }) => status === 'planned').length;
  const counts = [
    copied > 0 && `${copied} copied${repaired > 0 ? '' : ` (${size})`}`,
    repaired > 0 && `${repaired} repaired (${size}${copied > 0 ? ' in all' : ''})`,
    planned > 0 && `${planned} ${action === 'plan' ? `to be copied (${size})` : 'not copied'}`,
    skipped > 0 && `${skipped} already present`,
    failed > 0 && `${failed} failed`,
  ];
  return counts.filter((count) => count !== false).join(', ');
}

function lineOf({ module, infrastructureType, field, from, to, status, reason }: ConfigResult): string {
  const change = `${from ?? "Harness's own"} -> ${to ?? "Harness's own"}`;
  return `${status} ${module} ${infrastructureType} ${field}: ${change}${reason === undefined ? '' : ` (${reason})`}`;
}

function listed(title: string, rows: readonly string[]): string[] {
  if (rows.length === 0) return [];
  const more = rows.length - rowsLimit;
  return [
    `${title}:`,
    ...rows.slice(0, rowsLimit).map((row) => `  ${short(row)}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function short(text: string): string {
  return printable(text, cellLimit);
}
