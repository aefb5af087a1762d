import { FactoryError } from '../errors.ts';
import { holdBack } from '../run/pairs.ts';
import { parseErrorCause, type WorkflowError } from '../run/workflow-error.ts';
import type { Plan } from '../run/documents.ts';
import type { TaskRun } from '../task.ts';

export interface GateEvent {
  runId: string;
  /** What the copies of the two waves returned; one that crashed has an error instead of a result of its own. */
  owners: CopyOutcome[];
  followers: CopyOutcome[];
}

interface CopyOutcome {
  image: number;
  status: string;
  error?: WorkflowError;
}

export interface GateResult {
  route: 'configure' | 'verify';
}

/**
 * Decides, when all copies are done, what is switched: everything, only what arrived (`update-succeeded`), or nothing
 * (`abort`, by failing with `ImagesFailed`).
 */
export async function gate({ runId, owners, followers }: GateEvent, { runtime }: TaskRun): Promise<GateResult> {
  const documents = runtime.run(runId);
  const plan = await documents.plan.get();
  for (const { image, error } of [...owners, ...followers]) {
    if (!error) continue;
    // The task died before it could write its result.
    const failure = parseErrorCause(error);
    await documents.copyResult(image).put({ status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: failure });
  }
  const failed = new Set<string>();
  for (const [index, { image, status }] of plan.images.entries()) {
    const result = status === 'copy' ? await documents.copyResult(index).find() : undefined;
    if (status === 'failed' || result?.status === 'failed') failed.add(image);
  }
  if (failed.size > 0 && plan.onPartialFailure === 'abort') throw imagesFailed(plan, failed);
  const divided = holdBack(plan.changes, ({ image = '' }) =>
    failed.has(image) ? `${image} could not be copied` : undefined,
  );
  await documents.changes.put(divided);
  return { route: divided.changes.length > 0 && plan.modifyDefault ? 'configure' : 'verify' };
}

function imagesFailed(plan: Plan, failed: ReadonlySet<string>): FactoryError {
  const names = [...failed];
  const shown = names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
  return new FactoryError(
    'ImagesFailed',
    `${names.length} of ${plan.images.length} images could not be copied: ${shown}`,
    {
      hint: 'Each has its reason in the report. Harness was left as it was; on_partial_failure: update-succeeded would switch the others.',
    },
  );
}
