import { basename, dirname, join, resolve } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { historyPage } from '../../functions/pages/history-page.ts';
import { reportPage } from '../../functions/pages/report-page.ts';
import { commandLine } from '../../functions/runtime/place.ts';
import type { Report } from '../../functions/state/documents.ts';
import { type HistoryEntry, readHistory, recentRuns } from '../../functions/state/history.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import { printableJson } from '../../functions/text/printable.ts';
import { FileStore } from './file-store.ts';
import { openPage } from './open-page.ts';
import { prepareReportFolder, writeReportFile } from './report-files.ts';
import type { State } from './state.ts';

interface PageOptions {
  /** The options of this command that name the state, for the command that restores. */
  stateOptions: readonly string[];
  /** Receives the reason why a page could not be opened. */
  warn: (message: string) => void;
}

export interface ReportOptions extends PageOptions {
  run?: string | undefined;
  out?: string | undefined;
  open?: boolean | undefined;
}

/** Renders the page of a run again, by default the last one. Returns the path of the page. */
export async function writeRunPage(store: State['store'], options: ReportOptions): Promise<string> {
  const { out, open, stateOptions } = options;
  const recent = await recentRuns(store);
  const documents = new RunDocuments(store, options.run ?? lastOf(recent));
  const report = await documents.report.find();
  if (!report) throw notFound(documents.runId);
  const restore = commandLine(stateOptions).restoreCommand?.(report.runId);
  const page = (files?: { report: string; history?: string }) => reportPage(report, { restore, recent, files });
  let path: string;
  if (out !== undefined) {
    await prepareReportFolder(out);
    const texts = { 'report.json': `${printableJson(report)}\n`, 'report.html': page({ report: 'report.json' }) };
    path = resolve(out, 'report.html');
    await writeFiles(out, texts);
  } else if (store instanceof FileStore) {
    await documents.page.put(page({ report: 'report.json', history: '../../history.html' }));
    path = resolve(documents.page.location);
  } else throw folderNeeded('--out DIR');
  if (open) await opened(path, options);
  return path;
}

/** Writes the history as a page, from every run in the state. Returns the path of the page. */
export async function writeHistoryPage(
  store: State['store'],
  { file, stateOptions }: { file: string | undefined; stateOptions: readonly string[] },
): Promise<string> {
  const restore = commandLine(stateOptions).restoreCommand;
  const runs = await readHistory(store);
  const context = { now: new Date(), restore };
  if (file !== undefined) {
    const folder = dirname(resolve(file));
    await prepareReportFolder(folder);
    await writeFiles(folder, { [basename(file)]: historyPage(runs, context) });
    return resolve(file);
  }
  if (!(store instanceof FileStore)) throw folderNeeded('--html FILE');
  await store.put('history.html', Buffer.from(historyPage(runs, { ...context, page: pageOf })));
  return resolve(store.locate('history.html'));
}

/** Returns the page for the folder of `--out`, which has the report beside it and no other runs. */
export function pageBesideReport(report: Report, stateOptions: readonly string[]): string {
  const restore = commandLine(stateOptions).restoreCommand?.(report.runId);
  return reportPage(report, { restore, files: { report: 'report.json' } });
}

/** Returns the address of a run's page from the root of a folder. */
function pageOf(runId: string): string {
  return join('runs', encodeURIComponent(encodeURIComponent(runId)), 'report.html').replaceAll('\\', '/');
}

function lastOf([last]: readonly HistoryEntry[]): string {
  if (last) return last.runId;
  throw new FactoryError('InvalidInput', 'this state has no report of a run', {
    hint: 'Run "factory plan" first, or name another state with --state.',
  });
}

function notFound(runId: string): FactoryError {
  return new FactoryError('InvalidInput', `this state has no report of run ${runId}`, {
    hint: 'Run "factory history" for the runs of this state. A run that is in progress, or was killed, has no report.',
  });
}

function folderNeeded(option: string): FactoryError {
  return new FactoryError('InvalidInput', 'a page of a state in a bucket needs a place on this machine', {
    hint: `Add ${option}.`,
  });
}

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const failure = await writeReportFile(folder, name, () => text);
    if (failure !== undefined) throw new FactoryError('StoreFailed', failure, { hint: 'Name another place.' });
  }
}

async function opened(path: string, { warn }: PageOptions): Promise<void> {
  const failure = await openPage(path);
  if (failure !== undefined) warn(`${failure}. Open ${path} in a browser.`);
}
