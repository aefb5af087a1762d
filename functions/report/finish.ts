import { type ErrorDocument, FactoryError } from '../errors.ts';
import { redacted } from '../http/redact.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { copiesImages } from '../settings/input-schema.ts';
import type { Report } from '../state/documents.ts';
import { harnessAfter } from '../state/harness-after.ts';
import { noteSync } from '../state/last-sync.ts';
import { cellLimit, printable } from '../text/printable.ts';
import type { ReportEvent } from './event.ts';
import { factsOf } from './facts.ts';
import { outcomeOf, outcomeWithoutPlan } from './outcome.ts';
import { placeOf, writePages } from './pages.ts';
import { recordInventory, recordLooks } from './records.ts';
import { firstErrorOf } from './run-error.ts';
import { tell } from './tell.ts';

/** Writes the report of a run, releases its lock, and notifies people and Harness. */
export async function finish(
  { runId, execution, state }: ReportEvent,
  error: ErrorDocument | undefined,
  runtime: Runtime,
): Promise<Report> {
  const documents = runtime.run(runId);
  const plan = await documents.plan.find();
  const results = await Promise.all((plan?.images ?? []).map((_, index) => documents.copyResult(index).find()));
  const outcome = plan
    ? await outcomeOf(plan, results, { ...state, error }, documents)
    : outcomeWithoutPlan(runId, error, state);
  const first = firstErrorOf(state);
  const nextRun = runtime.parts.nextRun?.(new Date());
  const document: Report = {
    ...outcome,
    ...(await factsOf(documents, plan, results, runtime.parts.release)),
    harness: harnessAfter(outcome),
    ...(nextRun && { nextRun: nextRun.toISOString() }),
    ...(first && { firstError: first }),
  };
  /** The run has ended: a failure from here on is a warning, and does not change the outcome. */
  const attempt = async (failure: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      warn(`${failure}: ${FactoryError.from(error).message}`);
    }
  };
  const warn = (warning: string) =>
    (document.warnings = [...(document.warnings ?? []), printable(redacted(warning), cellLimit)]);
  await attempt('the report was not stored', () => documents.report.put(document));
  const stored = document.warnings;
  // Of the actions that hold the lock only these make copies.
  const copies = plan && copiesImages(plan.action) ? plan.images : [];
  await attempt('the copies were not recorded for a later prune', () => recordInventory(copies, results, runtime));
  await attempt('the checks of the copies were not recorded: the next run repeats them', () =>
    recordLooks(copies, results, runtime),
  );
  if (document.action === 'sync' && document.status === 'SUCCEEDED')
    await attempt('the time of the sync was not recorded', () => noteSync(runtime.store, new Date()));
  await attempt('the lock was not released, and expires by itself', () => runtime.lock.release(runId));
  const place = placeOf(runId, execution, runtime);
  // Before the mail that links to the page.
  for (const warning of await writePages(document, place, runtime)) warn(warning);
  const { warnings: written } = document;
  for (const warning of await tell(document, { planned: plan, links: place.links }, runtime)) warn(warning);
  if (document.warnings !== stored)
    await attempt('the report was not stored again', () => documents.report.put(document));
  if (document.warnings !== written) for (const warning of await writePages(document, place, runtime)) warn(warning);
  return document;
}
