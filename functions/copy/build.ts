import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import { Deadline, Paused } from '../oci/copy/deadline.ts';
import { isDigest } from '../oci/spec/digest.ts';
import { resolveTag } from '../oci/registry/manifests.ts';
import { builtPlace } from '../images/images.ts';
import { formatReference } from '../oci/spec/reference.ts';
import { recordBuilt } from '../state/built-images.ts';
import type { CopiedImage, CopyResult, Plan } from '../state/documents.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { ensureRepository } from './repository.ts';

/** The response of BUILD_PUSH_TEMPLATE; see docs/templates.md. */
const answer = z.object({ digest: z.string().refine(isDigest, 'sha256:<64 hex>') });

/** Maximum duration of a build. */
export const deadlineMs = 2 * 3_600_000;

/**
 * Returns the pause before the next look at a build that has run for `elapsedMs`, in milliseconds: half of that time.
 * Every look adds to the history of the execution, which limits the builds of a run (functions/plan/limits.ts).
 */
export function pauseMs(elapsedMs: number): number {
  return Math.min(900_000, Math.max(10_000, elapsedMs / 2));
}

/**
 * Calls the customer's template to build and push an image instead of copying it, then checks that the registry has it.
 * Returns `Paused` while the template is still running. A failure is a result, as it is for a copy.
 */
export async function build(
  plan: Plan,
  index: number,
  planned: CopiedImage,
  run: TaskRun,
): Promise<CopyResult | Paused> {
  const { runtime, signal, deadline = Deadline.never } = run;
  const document = runtime.run(plan.runId).build(index);
  const begun = await document.find();
  const startedAt = begun?.startedAt ?? new Date().toISOString();
  if (!begun) await document.put({ startedAt });
  const elapsedMs = Date.now() - Date.parse(startedAt);
  const work = (each?: AbortSignal) => bring(plan, planned, run, each);
  try {
    const result = await deadline.during([], signal, work);
    if (result) return result;
    if (elapsedMs > deadlineMs) throw failed(planned, `has not ended within ${deadlineMs / 3_600_000} hours`);
    return new Paused(Date.now() + pauseMs(elapsedMs));
  } catch (error) {
    signal?.throwIfAborted();
    // The time of this call is up, not that of the build.
    if (error instanceof Paused && elapsedMs <= deadlineMs) return error;
    return { status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: FactoryError.from(error).toJSON() };
  }
}

async function bring(
  plan: Plan,
  planned: CopiedImage,
  { runtime }: TaskRun,
  signal?: AbortSignal,
): Promise<CopyResult | undefined> {
  const { image, sourceDigest } = planned;
  const pushed = builtPlace(planned);
  const target = formatReference(pushed);
  const { tag } = pushed;
  const { buildPushTemplate: template } = runtime.configuration;
  if (template === undefined) throw failed(planned, 'is no longer set');
  if (tag === undefined || sourceDigest === undefined)
    throw failed(planned, 'cannot build an image that is pinned to a digest');
  await ensureRepository(planned.target, runtime);
  const input = { runId: plan.runId, image, source: formatReference(planned.source), sourceDigest, target };
  const called = await (await runtime.template(template)).call(`${plan.runId}-build-${image}`, input, signal);
  if (!('output' in called)) return undefined;
  const parsed = answer.safeParse(called.output);
  if (!parsed.success) throw failed(planned, 'returned no digest');
  const digest = parsed.data.digest;
  const arrived = await resolveTag(runtime.repository(planned.target), tag, { signal });
  if (arrived !== digest)
    throw failed(planned, `reported that it pushed ${digest}; ${target} is ${arrived ?? 'absent'}`);
  await recordBuilt(runtime.store, formatReference(planned.target), { template, source: sourceDigest, built: digest });
  return { status: 'copied', digest, bytesTransferred: 0, bytesSkipped: 0 };
}

function failed({ image }: CopiedImage, what: string): FactoryError {
  return new FactoryError('TemplateFailed', `${image}: BUILD_PUSH_TEMPLATE ${what}`, {
    hint: 'Compare its input and output with docs/templates.md.',
  });
}
