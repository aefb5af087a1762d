import prettyBytes from 'pretty-bytes';
import type { ErrorDocument } from '../../functions/errors.ts';
import type {
  BlockedSwitch,
  CarriedBundle,
  ConfigResult,
  ImageResult,
  IncompleteImage,
  NeededImage,
  Plan,
  RegistryCounts,
  Report,
  SoakingVersion,
  UnusedImage,
} from '../../functions/state/documents.ts';
import { describeConnector, plannedConnector } from '../../functions/overrides/connector-change.ts';
import { describePieces } from '../../functions/images/pieces.ts';
import { isWindowsOnly } from '../../functions/harness/windows-fields.ts';
import { isLow } from '../../functions/oci/registry/pull-budget.ts';
import { describeProblems } from '../../functions/settings/problems.ts';
import { cellLimit, printable } from '../../functions/text/printable.ts';

/** Renders a report for a person. Tables have at most `rows` rows; the report file has all of them. */
export function summaryOf(report: Report, rows = 60): string {
  const { totals, config } = report;
  const images = report.images.filter(({ status }) => status !== 'skipped');
  const switchedTo = new Set(images.flatMap(({ target, image }) => [target, image]));
  const soaking = new Set(report.soaking?.flatMap(({ fields }) => fields));
  // What a person decides on comes first. The tables may be long.
  const parts = [
    headline(report),
    report.blocked && report.error?.name !== 'SwitchBlocked' && describeBlocked(report.blocked),
    report.connector && shown(describeConnector(report.connector)),
    report.warnings?.map((warning) => `Warning: ${shown(warning)}`).join('\n'),
    imagesTable(images, config, rows),
    // The row of an image lists the fields that switched to it, and the row of a soaking version those that wait for it.
    configTable(
      config.filter(
        (row) => row.behind ?? (isNews(row) && !switchedTo.has(row.to ?? '') && !soaking.has(placeOfField(row))),
      ),
      rows,
    ),
    report.soaking && soakingTable(report.soaking, rows),
    report.needed && neededTable(report.needed, rows),
    report.bundle && describeBundle(report.bundle),
    // The error of verify lists them.
    report.action !== 'verify' && report.incomplete?.map(describeIncomplete).join('\n'),
    pullsTable(report, rows),
    report.unused && `Unused copies: ${report.unused.map(describeUnused).join(', ')}`,
    report.registries?.flatMap(strainOf).join('\n'),
    report.error && describeEnd(report.error, report.blocked),
    totals.images > 0 && describeTotals(report),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
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
  const transferred = `${prettyBytes(bytesTransferred)} ${isPlan ? 'to transfer' : 'transferred'}`;
  const rest = `${prettyBytes(bytesSkipped)} skipped, ${(durationMs / 1000).toFixed(1)} s`;
  return `${plural(totals.images, 'image')}: ${counts.join(', ')}; ${transferred}, ${rest}`;
}

function describeIncomplete({ reference, missing }: IncompleteImage): string {
  return `Incomplete: ${shown(reference)} lacks ${describePieces(missing)}`;
}

/** Renders where pods would pull their images from: missing images one by one, the others by place. */
function pullsTable({ action, pulls = [], blocked }: Report, rows: number): string {
  const missing = blocked?.missing ?? pulls.filter(({ status }) => status === 'missing' || status === 'unknown');
  if (action !== 'plan' && action !== 'verify' && missing.length === 0) return '';
  // These are missing through another address than the one that the others are pulled through.
  const there = blocked?.missing ? [] : pulls.filter(({ status }) => status !== 'missing' && status !== 'unknown');
  const places = Map.groupBy(there, ({ reference, status }) => `${status} ${placeOf(reference)}`);
  return table(
    ['Would be pulled from', 'Status', 'Fields'],
    [
      ...missing.map(({ reference, status, fields }) => [reference, status, shorten(fields) + windowsNote(fields)]),
      ...[...places.values()].map((group) => {
        const [{ reference, status } = { reference: '', status: '' }] = group;
        return [`${placeOf(reference)} (${plural(group.length, 'image')})`, status, ''];
      }),
    ],
    rows,
  );
}

/** Explains why a run copied no image of these fields: most accounts have no Windows nodes. */
function windowsNote(fields: readonly string[]): string {
  const isWindows = fields.every((field) => isWindowsOnly(field.slice(field.lastIndexOf(' ') + 1)));
  return isWindows ? ' (for Windows nodes only; copied with include_windows_rootless)' : '';
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

/** Renders the changes that a run will make, for the confirmation. */
export function describeChanges({ changes, connector }: Plan): string {
  const lines = changes.map(({ module, infrastructureType, field, from, to }) => {
    return [`${module} ${infrastructureType}`, field, valueOf(from), valueOf(to)];
  });
  const moved = connector && shown(describeConnector(plannedConnector(connector)));
  return [moved, table(['Config', 'Field', 'Now', 'Then'], lines, lines.length)].filter(Boolean).join('\n');
}

function headline(report: Report): string {
  const { status, action, runId, reason, images, config, connector, totals, blocked, bundle, needed = [] } = report;
  const fields = (...wanted: ConfigResult['status'][]) =>
    plural(config.filter((row) => wanted.includes(row.status)).length, 'field');
  const pending = images.filter((image) => image.status !== 'skipped').length;
  const idle = pending === 0 && !connector && !blocked && config.every((row) => row.status === 'unchanged');
  const also = connector ? ', connector too' : '';
  const outcome = {
    sync: idle
      ? 'nothing to do'
      : `${plural(totals.copied, 'image')} copied, ${totals.repaired ? `${totals.repaired} repaired, ` : ''}${fields('updated', 'reset')} switched${also}`,
    reset: idle ? 'nothing to reset' : `${fields('reset')} reset`,
    restore: idle ? 'nothing to restore' : `${fields('updated', 'reset')} restored${also}`,
    plan: idle
      ? bundle
        ? `nothing to do, ${plural(needed.length, 'image')} needed`
        : 'nothing to do'
      : `${plural(pending, 'image')} to copy, ${blocked ? 'the switch is blocked' : `${fields('planned')} to switch${also}`}`,
    verify: bundle ? 'the bundle is complete' : 'the registry has every image that Harness will pull',
    export: `${plural(totals.copied, 'image')} exported`,
    import: `${plural(totals.copied, 'image')} imported, ${fields('updated', 'reset')} switched${also}`,
  }[action];
  const note = status === 'SUCCEEDED' ? outcome : reason;
  return shown(`${action} ${runId}: ${status}${note === undefined ? '' : ` (${note})`}`);
}

/** Tests whether a row is worth showing: a change, or a field that was left alone for a reason. */
function isNews({ status, reason }: ConfigResult): boolean {
  return status !== 'unchanged' || reason !== undefined;
}

function imagesTable(images: readonly ImageResult[], config: readonly ConfigResult[], rows: number): string {
  const lines = images.map(({ image, requested, status, bytesTransferred, target, error }) => {
    const fields = config
      .filter((row) => (row.to === target || row.to === image) && isNews(row))
      .map(({ field }) => field);
    const name =
      requested === undefined ? image : `${image} (newest of ${requested.slice(requested.lastIndexOf(':') + 1)})`;
    return [name, status, prettyBytes(bytesTransferred), error ? error.message : shorten(fields)];
  });
  return table(['Image', 'Status', 'Transfer', 'Fields'], lines, rows);
}

/** Fields with the same reason that still get a row each. */
const ownRows = 3;

function configTable(config: readonly ConfigResult[], rows: number): string {
  const groups = Map.groupBy(config, (row) =>
    JSON.stringify([scopeOf(row), row.status, row.from === row.to, noteOf(row)]),
  );
  const lines = [...groups.values()].flatMap((group) => {
    const [first] = group;
    const isOne = first?.reason !== undefined && first.from === first.to && group.length > ownRows;
    if (!isOne) return group.map((row) => [scopeOf(row), row.field, row.status, changeOf(row) + noteOf(row)]);
    const others = new Set(group.map(({ from }) => from)).size - 1;
    const value = valueOf(first.from) + (others > 0 ? ` and ${others} more` : '');
    return [[scopeOf(first), shorten(group.map(({ field }) => field)), first.status, value + noteOf(first)]];
  });
  return table(['Config', 'Field', 'Status', 'Image'], lines, rows);
}

function scopeOf({ module, infrastructureType }: ConfigResult): string {
  return `${module} ${infrastructureType}`;
}

function placeOfField(row: ConfigResult): string {
  return `${scopeOf(row)} ${row.field}`;
}

function changeOf({ from, to }: ConfigResult): string {
  return from === to ? valueOf(from) : `${valueOf(from)} → ${valueOf(to)}`;
}

function noteOf({ from, to, reason, behind }: ConfigResult): string {
  const notes = [from === to && reason, behind && describeLag(behind)].filter(Boolean);
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`;
}

function describeLag({ by, official, harness }: NonNullable<ConfigResult['behind']>): string {
  const version = official.slice(official.lastIndexOf(':') + 1);
  return `${by} behind ${version}${harness === undefined ? '' : `; Harness reports it as ${harness}`}`;
}

/** Renders the images that Harness needs and a bundle lacks. */
function neededTable(needed: readonly NeededImage[], rows: number): string {
  const lines = needed.map(({ image, fields }) => [image, shorten(fields.map(({ field }) => field))]);
  return table(['Needed', 'Fields'], lines, rows);
}

/** Renders the size of a bundle, and what each platform needs of it. */
function describeBundle({ address, bytes, platforms = {} }: CarriedBundle): string {
  if (bytes === undefined) return '';
  const sizes = Object.entries(platforms).map(([platform, size]) => `${platform} ${prettyBytes(size)}`);
  const parts = sizes.length > 1 ? ` (${sizes.join(', ')}; platforms share some)` : '';
  return shown(`Bundle ${address}: ${prettyBytes(bytes)}${parts}`);
}

function soakingTable(soaking: readonly SoakingVersion[], rows: number): string {
  const lines = soaking.map(({ image, until, fields }) => [image, until, shorten(fields)]);
  return table(['Soaks', 'Until', 'Fields'], lines, rows);
}

function valueOf(override: string | null): string {
  return override ?? "Harness's own";
}

/** Lays cells out in columns without rules, which survive logs, mails and narrow terminals. */
export function table(head: string[], lines: string[][], rows: number): string {
  if (lines.length === 0) return '';
  const drawn = [head, ...lines.slice(0, rows).map((cells) => cells.map(shown))];
  const widths = head.map((_, column) => Math.max(...drawn.map((cells) => cells[column]?.length ?? 0)));
  const text = drawn
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
  return lines.length > rows ? `${text}\n… and ${lines.length - rows} more` : text;
}

function shown(text: string): string {
  return printable(text, cellLimit);
}

export function shorten(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

export function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
