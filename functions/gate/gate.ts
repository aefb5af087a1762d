import { type ErrorDocument, FactoryError } from '../errors.ts';
import { holdBack } from '../overrides/pairs.ts';
import { parseErrorCause, type WorkflowError } from '../workflow-error.ts';
import type { CopyResult, FieldChange, Plan } from '../state/documents.ts';
import type { RunDocuments } from '../state/run-documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';

export interface GateEvent {
  runId: string;
  /** The results of the copies, wave by wave. A task that crashed has only the name of its error. */
  copies: CopyOutcome[][];
}

interface CopyOutcome {
  image: number;
  status: string;
  error?: WorkflowError;
}

export interface GateResult {
  route: 'configure' | 'verify';
  /** The images whose tag the switch needs, and the others that get their tag after it: indexes into the plan's images. */
  tags?: number[];
  keptTags?: number[];
}

/**
 * Decides what the run switches, once all copies and scans have ended: everything, only the images that arrived and
 * passed (`update-succeeded`), or nothing (`abort`, by failing with `ImagesFailed`).
 */
export async function gate({ runId, copies }: GateEvent, { runtime }: TaskRun): Promise<GateResult> {
  const documents = runtime.run(runId);
  const plan = await runtime.plan(runId);
  for (const { image, error } of copies.flat()) {
    // The task crashed before it could write its result.
    if (error) await documents.copyResult(image).put(failedCopy(parseErrorCause(error)));
  }
  const failed = new Map<string, string>();
  for (const [index, { image, status, held }] of plan.images.entries()) {
    // Nothing is switched to it.
    if (held) continue;
    if (status === 'failed' || (status === 'copy' && !(await arrived(documents, image, index))))
      failed.set(image, 'could not be copied');
  }
  if (plan.scan) {
    const { images } = (await documents.scans.find()) ?? { images: [] };
    const passed = new Set(images.flatMap(({ image, result }) => (result.status === 'passed' ? image : [])));
    const moved = plan.images.filter((planned) => planned.status === 'copy' && planned.afterScan);
    for (const { image } of [...plan.changes, ...moved]) {
      if (image !== undefined && !passed.has(image) && !failed.has(image)) failed.set(image, 'did not pass its scan');
    }
  }
  // Through the new address of the connector, pods would miss the failed images even without an override.
  if (failed.size > 0 && (plan.onPartialFailure === 'abort' || plan.connector)) throw imagesFailed(plan, failed);
  const divided = holdBack(plan.changes, ({ image = '' }) => {
    const failure = failed.get(image);
    return failure && `${image} ${failure}`;
  });
  await documents.changes.put(divided);
  const route = (divided.changes.length > 0 || plan.connector) && plan.modifyDefault ? 'configure' : 'verify';
  return { route, ...tagsToMove(plan, failed, route === 'configure' ? divided.changes : []) };
}

/** Returns the images that passed their scan and whose tag moves. A run that will fail moves none. */
function tagsToMove(
  { images, blocked }: Plan,
  failed: ReadonlyMap<string, string>,
  changes: readonly FieldChange[],
): Omit<GateResult, 'route'> {
  if (blocked) return {};
  const isNeeded = (index: number) => changes.some(({ image }) => image === images[index]?.image);
  const all = images.flatMap((planned, index) =>
    planned.status === 'copy' && planned.afterScan && !failed.has(planned.image) ? [index] : [],
  );
  const [tags, keptTags] = [all.filter(isNeeded), all.filter((index) => !isNeeded(index))];
  return { ...(tags.length > 0 && { tags }), ...(keptTags.length > 0 && { keptTags }) };
}

/** Returns whether the copy succeeded. A copy without a result has failed, and this writes the failure. */
async function arrived(documents: RunDocuments, image: string, index: number): Promise<boolean> {
  const document = documents.copyResult(index);
  const result = await document.find();
  if (result) return result.status !== 'failed';
  const error = new FactoryError('StoreFailed', `the result of copying ${image} is missing: ${document.location}`, {
    hint: 'Start the run again: something deleted the result during the run.',
  });
  await document.put(failedCopy(error.toJSON()));
  return false;
}

function failedCopy(error: ErrorDocument): CopyResult {
  return { status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error };
}

function imagesFailed(plan: Plan, failed: ReadonlyMap<string, string>): FactoryError {
  const reasons = Map.groupBy(failed.keys(), (image) => failed.get(image));
  const parts = [...reasons].map(([reason, names]) => {
    const shown = names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
    return `${names.length} of ${plan.images.length} images ${reason}: ${shown}`;
  });
  return new FactoryError('ImagesFailed', parts.join('; '), {
    hint: `See the reason of each image in the report. Harness was not changed; ${plan.connector ? 'a change of the connector needs every image.' : 'on_partial_failure: update-succeeded would switch the others.'}`,
  });
}
