import { FactoryError } from '../errors.ts';
import type { Report } from '../state/documents.ts';
import { entryOf, type HistoryEntry, noteRun } from '../state/history.ts';
import { htmlType } from '../state/object-store.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { isArn } from '../text/arn.ts';
import { type ConsoleLinks, consoleLinks } from '../text/console.ts';
import { startCommand } from '../text/start-command.ts';

/** The place of a run, as its pages and messages describe it. */
export interface RunPlace {
  /** The addresses in the console of AWS; absent elsewhere. */
  links: ConsoleLinks | undefined;
  /** Returns the command that puts Harness back as it was before a run. */
  restore: ((runId: string) => string) | undefined;
}

/** @param execution the id of the execution: an ARN on AWS. A run that was stopped is reported by another execution. */
export function placeOf(runId: string, execution: string | undefined, runtime: Runtime): RunPlace {
  const { page } = runtime.run(runId);
  const { restoreCommand } = runtime.place;
  if (execution === undefined || !isArn(execution)) return { links: undefined, restore: restoreCommand };
  const parts = execution.split(':').slice(0, -1);
  const machine = parts.join(':').replace(':execution:', ':stateMachine:');
  return {
    links: consoleLinks([...parts, runId].join(':'), page.location),
    restore: (id) => startCommand(machine, { action: 'restore', restore_run: id }),
  };
}

/** Writes the page of a run and the history. Returns warnings: the run is over, and its outcome stays. */
export async function writePages(report: Report, { links, restore }: RunPlace, runtime: Runtime): Promise<string[]> {
  const documents = runtime.run(report.runId);
  const warnings: string[] = [];
  const attempt = async (failure: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      warnings.push(`${failure}: ${FactoryError.from(error).message}`);
    }
  };
  let runs: HistoryEntry[] | undefined;
  await attempt('the run was not added to the history', async () => {
    const restorable = (await documents.snapshot.find()) !== undefined;
    runs = await noteRun(runtime.store, entryOf(report, restorable));
  });
  await attempt('the page of the run was not written', async () => {
    const { reportPage } = await import('../pages/report-page.ts');
    const isFolder = !documents.page.location.startsWith('s3:');
    const files = { report: 'report.json', history: '../../history.html' };
    const page = reportPage(report, {
      restore: restore?.(report.runId),
      execution: links?.execution,
      ...(isFolder && { files }),
      ...(runs && { recent: runs }),
    });
    await documents.page.put(page);
    if (!runs) return;
    const { historyPage } = await import('../pages/history-page.ts');
    const pageOf = (runId: string) => `runs/${encodeURIComponent(encodeURIComponent(runId))}/report.html`;
    const history = historyPage(runs, { now: new Date(), restore, ...(isFolder && { page: pageOf }) });
    await runtime.store.put('history.html', Buffer.from(history), { contentType: htmlType });
  });
  return warnings;
}
