import prettyBytes from 'pretty-bytes';
import type { ErrorDocument } from '../../functions/errors.ts';
import type {
  BlockedSwitch,
  ConfigResult,
  IncompleteImage,
  NeededImage,
  RegistryCounts,
  Report,
  SoakingVersion,
  UnusedImage,
} from '../../functions/state/documents.ts';
import type { Check } from '../../functions/state/documents/checks.ts';
import { describeConnector } from '../../functions/overrides/connector-change.ts';
import { describePieces } from '../../functions/images/pieces.ts';
import { isLow } from '../../functions/oci/registry/pull-budget.ts';
import { copiesImages } from '../../functions/settings/input-schema.ts';
import { describeProblems } from '../../functions/settings/problems.ts';
import { windowsNote } from '../../functions/settings/windows-note.ts';
import { printable } from '../../functions/text/printable.ts';
import { describeBundle } from './bundle-size.ts';
import { changeTable, type Layout, plural, scopeOf, shorten, shortValue } from './changes.ts';
import { checkList } from './checks.ts';
import { configTable, noteOf } from './config-table.ts';
import { copiesTable, describeFailures, failuresAmong, imagesTable } from './image-tables.ts';
import { paint, paper, type Screen } from './screen.ts';
import { shown, table, wrap } from './table.ts';

/** Rows of a table on a terminal. A file has all of them. */
const rowsOnTerminal = 60;

/** Renders a report for a person. No row of a table is wider than the screen. */
export function summaryOf(report: Report, { screen = paper, rows }: Partial<Layout> = {}): string {
  const { totals, config, action } = report;
  const layout = { screen, rows: rows ?? (screen.columns === undefined ? Infinity : rowsOnTerminal) };
  const images = report.images.filter(({ status }) => status !== 'skipped');
  const soaking = new Set(report.soaking?.flatMap(({ fields }) => fields));
  // The row of an image lists the fields that were switched to it.
  const isCopying = copiesImages(action);
  const listed = new Set(isCopying ? images.flatMap(({ target, image }) => [target, image]) : []);
  const changed = isCopying ? [] : config.filter(isChange);
  // The row of a soaking version has the fields that wait for it.
  const others = config.filter(
    (row) =>
      !changed.includes(row) &&
      (row.behind ?? (isNews(row) && !listed.has(row.to ?? '') && !soaking.has(placeOfField(row)))),
  );
  // Such a run did nothing: its reason is all there is to say.
  if (report.status === 'SKIPPED') return `${wrap(headline(report, screen), screen.columns)}\n`;
  const text = (lines: string | undefined) => lines && wrap(lines, screen.columns);
  // What a person decides on comes first. The tables may be long.
  const parts = [
    text(headline(report, screen)),
    text(report.blocked && report.error?.name !== 'SwitchBlocked' ? describeBlocked(report.blocked) : undefined),
    text(report.connector && shown(describeConnector(report.connector))),
    text(report.warnings?.map((warning) => `${paint(screen, 'yellow', 'Warning:')} ${shown(warning)}`).join('\n')),
    report.checks && checkList(report.checks, screen),
    text(describeFailures(failuresAmong(images), screen)),
    action === 'plan' ? copiesTable(report, layout) : imagesTable(images, config.filter(isNews), layout),
    changeTable(
      changed.map((row) => ({ ...row, note: noteOf(row) })),
      layout,
    ),
    configTable(others, layout),
    report.soaking && soakingTable(report.soaking, layout),
    report.needed && neededTable(report.needed, layout),
    text(report.bundle && describeBundle(report.bundle)),
    // The error of verify lists them.
    action === 'verify' ? undefined : text(report.incomplete?.map(describeIncomplete).join('\n')),
    pullsTable(report, layout),
    text(report.unused && `Unused copies: ${report.unused.map(describeUnused).join(', ')}`),
    text(report.registries?.flatMap(strainOf).join('\n')),
    text(report.error && describeEnd(report.error, report.blocked)),
    totals.images > 0 && text(describeTotals(report)),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

/** Returns whether a row is a change that was made, or would be. */
function isChange({ status, from, to }: ConfigResult): boolean {
  return from !== to && (status === 'planned' || status === 'updated' || status === 'reset');
}

function describeTotals({ action, images, totals }: Report): string {
  const { copied, repaired = 0, skipped, failed, bytesTransferred, bytesSkipped, durationMs } = totals;
  const isPlan = action === 'plan';
  const counts = [
    isPlan ? `${images.filter(({ status }) => status === 'planned').length} to copy` : `${copied} copied`,
    ...(repaired > 0 ? [`${repaired} repaired`] : []),
    `${skipped} already present`,
    `${failed} failed`,
  ];
  const seconds = `${(durationMs / 1000).toFixed(1)} s`;
  // Bytes that need no transfer are at the registry, or are mounted from another image.
  const [transferred, rest] = isPlan
    ? [
        `at most ${prettyBytes(bytesTransferred)} would move`,
        `${prettyBytes(bytesSkipped)} are shared; planned in ${seconds}`,
      ]
    : [`${prettyBytes(bytesTransferred)} transferred`, `${prettyBytes(bytesSkipped)} skipped, ${seconds}`];
  return `${plural(totals.images, 'image')}: ${counts.join(', ')}; ${transferred}, ${rest}`;
}

function describeIncomplete({ reference, missing }: IncompleteImage): string {
  return `Incomplete: ${shown(reference)} lacks ${describePieces(missing)}`;
}

/** Renders where pods would pull their images from: missing images one by one, the others by place. */
function pullsTable({ action, pulls = [], blocked }: Report, { rows, screen }: Layout): string {
  const missing = blocked?.missing ?? pulls.filter(({ status }) => status === 'missing' || status === 'unknown');
  if (action !== 'plan' && action !== 'verify' && missing.length === 0) return '';
  // These are missing through another address than the one that the others are pulled through.
  const there = blocked?.missing ? [] : pulls.filter(({ status }) => status !== 'missing' && status !== 'unknown');
  const places = Map.groupBy(there, ({ reference, status }) => `${status} ${placeOf(reference)}`);
  return table(
    ['Would be pulled from', 'Status', 'Fields'],
    [
      ...missing.map(({ reference, status, fields }) => [
        { full: reference, short: shortValue(reference) },
        status,
        fieldsOf(fields),
      ]),
      ...[...places.values()].map((group) => {
        const [{ reference, status } = { reference: '', status: '' }] = group;
        return [`${placeOf(reference)} (${plural(group.length, 'image')})`, status, ''];
      }),
    ],
    { rows, columns: screen.columns },
  );
}

function fieldsOf(fields: readonly string[]): { full: string; short: string } {
  const note = windowsNote(fields);
  const names = shorten(fields);
  return note === undefined
    ? { full: names, short: names }
    : { full: `${names} (${note})`, short: `${names} (Windows)` };
}

/** Returns the registry of a reference with the path above the namespace. */
function placeOf(reference: string): string {
  return reference.split('/').slice(0, -2).join('/');
}

function describeBlocked({ reason, steps }: BlockedSwitch): string {
  return [`sync would not switch Harness: ${shown(reason)}`, ...linesOf(steps)].join('\n');
}

function linesOf(steps: readonly string[]): string[] {
  return steps.map((step, index) => `  ${index + 1}. ${printable(step, Infinity)}`);
}

/** Renders the error that ended a run. The steps of a blocked switch, which are its hint, get a line each. */
function describeEnd(error: ErrorDocument, blocked: BlockedSwitch | undefined): string {
  // Its hint is the cures, each of which is below its check.
  if (error.name === 'ChecksFailed') return printable(`${error.name}: ${error.message}`, Infinity);
  if (error.name !== 'SwitchBlocked' || !blocked) return describeError(error);
  return [printable(`${error.name}: ${error.message}`, Infinity), ...linesOf(blocked.steps)].join('\n');
}

function describeUnused({ reference, status, reason }: UnusedImage): string {
  return status === 'kept' ? `${shown(reference)} (kept: ${shown(reason ?? '')})` : shown(reference);
}

/** Describes a registry that throttled requests, or whose pull limit is nearly reached. */
function strainOf({ host, throttles, pauses, pulls }: RegistryCounts): string[] {
  const signs = [
    ...(throttles > 0
      ? [`throttled ${plural(throttles, 'request')} (HTTP 429), and requested ${plural(pauses, 'pause')}`]
      : []),
    ...(pulls && isLow(pulls) ? [`has ${pulls.remaining} of ${pulls.limit} manifest pulls left`] : []),
  ];
  return signs.length > 0 ? [shown(`${host} ${signs.join('; ')}`)] : [];
}

export function describeError({ name, message, hint, problems }: ErrorDocument): string {
  // Do not truncate: a message may list every image or field with its reason.
  const whole = (text: string) => printable(text, Infinity);
  return [whole(`${name}: ${message}`), ...describeProblems(problems), whole(`Hint: ${hint}`)].join('\n');
}

function headline(report: Report, screen: Screen): string {
  const { status, action, runId, reason, images, config, connector, totals, blocked, bundle, needed = [] } = report;
  const fields = (...wanted: ConfigResult['status'][]) =>
    plural(config.filter((row) => wanted.includes(row.status)).length, 'field');
  const pending = images.filter((image) => image.status !== 'skipped').length;
  const idle = pending === 0 && !connector && !blocked && config.every((row) => row.status === 'unchanged');
  const also = connector ? ', connector too' : '';
  const repaired = totals.repaired ? `${totals.repaired} repaired, ` : '';
  const outcome = {
    sync: idle
      ? 'nothing to do'
      : `${plural(totals.copied, 'image')} copied, ${repaired}${fields('updated', 'reset')} switched${also}`,
    reset: idle ? 'nothing to reset' : `${fields('reset')} reset`,
    restore: idle ? 'nothing to restore' : `${fields('updated', 'reset')} restored${also}`,
    plan: idle
      ? bundle
        ? `nothing to do, ${plural(needed.length, 'image')} needed`
        : 'nothing to do'
      : `${plural(pending, 'image')} to copy, ${blocked ? 'the switch is blocked' : `${fields('planned')} to switch${also}`}`,
    verify: bundle ? 'the bundle is complete' : 'the registry has every image that Harness will pull',
    export: bundle?.parts
      ? `${plural(bundle.parts.length, 'part')} written again`
      : `${plural(totals.copied, 'image')} exported`,
    import: `${plural(totals.copied, 'image')} imported, ${repaired}${fields('updated', 'reset')} switched${also}`,
    doctor: describeChecks(report.checks ?? []),
  }[action];
  const note = status === 'SUCCEEDED' ? outcome : reason;
  const colour = ({ SUCCEEDED: 'green', FAILED: 'red', SKIPPED: 'yellow' } as const)[status];
  return `${shown(`${action} ${runId}:`)} ${paint(screen, colour, status)}${note === undefined ? '' : ` ${shown(`(${note})`)}`}`;
}

/** Tests whether a row is worth showing: a change, or a field that was left alone for a reason. */
function isNews({ status, reason }: ConfigResult): boolean {
  return status !== 'unchanged' || reason !== undefined;
}

function placeOfField(row: ConfigResult): string {
  return `${scopeOf(row)} ${row.field}`;
}

/** Renders the images that Harness needs and a bundle lacks. */
function neededTable(needed: readonly NeededImage[], { rows, screen }: Layout): string {
  const lines = needed.map(({ image, fields }) => [image, shorten(fields.map(({ field }) => field))]);
  return table(['Needed', 'Fields'], lines, { rows, columns: screen.columns });
}

function soakingTable(soaking: readonly SoakingVersion[], { rows, screen }: Layout): string {
  const lines = soaking.map(({ image, until, fields }) => [image, until, shorten(fields)]);
  return table(['Soaks', 'Until', 'Fields'], lines, { rows, columns: screen.columns });
}

/** Counts the checks that passed, and those with a warning. */
function describeChecks(checks: readonly Check[]): string {
  const warnings = checks.filter(({ status }) => status === 'warning').length;
  return `${plural(checks.length, 'check')}, ${warnings > 0 ? plural(warnings, 'warning') : 'no warning'}`;
}
