import { planAgain } from '../bundle/plan-again.ts';
import { type BundleOrder, type ImageToBundle, planBundle } from '../bundle/plan-bundle.ts';
import { FactoryError } from '../errors.ts';
import { Deadline, Paused } from '../oci/copy/deadline.ts';
import type { Reference } from '../oci/spec/reference.ts';
import type { Bundles } from '../runtime/bundles.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import { sourceName } from '../settings/official-sources.ts';
import type { ExportState, Plan, PlannedImage } from '../state/documents.ts';

export interface ExportTaskResult {
  status: 'exported' | 'continue';
  /** The time to wait before the next call, when `status` is `continue`. */
  waitSeconds: number;
}

/** Calls without progress after which the export fails. */
const mostIdleCalls = 5;

/** Writes the bundle of a run, as far as possible before the deadline. The next call continues where this one ended. */
export async function exportBundle({ runId }: { runId: string }, run: TaskRun): Promise<ExportTaskResult> {
  const { runtime, deadline = Deadline.never } = run;
  const documents = runtime.run(runId);
  const [plan, done, state] = await Promise.all([
    runtime.plan(runId),
    // The task may run again after it has stored its result.
    documents.exported.find(),
    documents.exportState.find(),
    runtime.lock.renew(runId),
  ]);
  if (done) return { status: 'exported', waitSeconds: 0 };
  const progress: ExportState = { written: state?.written ?? 0, idleCalls: state?.idleCalls ?? 0 };
  const before = progress.written;
  try {
    const written = await write(plan, progress, run);
    await documents.exported.put(written);
    return { status: 'exported', waitSeconds: 0 };
  } catch (error) {
    if (!(error instanceof Paused)) throw error;
    progress.idleCalls = progress.written > before ? 0 : progress.idleCalls + 1;
    if (progress.idleCalls >= mostIdleCalls) throw stuck(plan, progress);
    await documents.exportState.put(progress);
    const waitSeconds = Math.ceil(Math.max(0, (error.notBefore ?? 0) - deadline.now()) / 1_000);
    await runtime.lock.renew(runId, waitSeconds);
    return { status: 'continue', waitSeconds };
  }
}

function stuck({ bundle }: Plan, { written }: ExportState): FactoryError {
  return new FactoryError(
    'RegistryFailed',
    `${mostIdleCalls} calls in a row wrote no more than ${written} bytes of ${bundle?.address}`,
    {
      hint: 'Check the network between the export function and the registries, and start the export again: it goes on.',
    },
  );
}

async function write(plan: Plan, progress: ExportState, run: TaskRun) {
  const { runtime, signal, deadline = Deadline.never } = run;
  const { bundles } = runtime.parts;
  const { address } = plan.bundle ?? {};
  if (!bundles || address === undefined) throw new TypeError('nothing here can write bundles');
  const places = new Set(plan.images.flatMap((image) => placesOf(image).map(({ registry }) => registry)));
  const registries = [...places].map((name) => runtime.registry(name));
  return deadline.during(registries, signal, async (each) => {
    const order = await orderOf(plan, bundles, { runtime, signal: each });
    const { again } = bundles;
    const planned = await (again ? planAgain(again.document, order) : planBundle(order));
    const { totals } = planned.document;
    runtime.progress({ kind: 'image-started', image: address, bytes: again?.bytes ?? totals.bytes });
    let written = 0;
    const { document, size, resumedAt, parts } = await bundles.write(planned, address, {
      signal: each,
      onNote: (message) => runtime.progress({ kind: 'note', message }),
      onBytes: (bytes) => {
        written += bytes;
        progress.written = Math.max(progress.written, written);
        runtime.progress({ kind: 'image-progress', image: address, bytes });
      },
    });
    runtime.progress({ kind: 'image-finished', image: address, status: 'exported' });
    return { id: document.id, bytes: totals.bytes, size, resumedAt, ...(parts && { parts: [...parts] }) };
  });
}

async function orderOf(plan: Plan, { bases = [] }: Bundles, run: TaskRun): Promise<BundleOrder> {
  const { runtime, signal } = run;
  const { platforms = [], pins = {} } = plan.policy ?? {};
  return {
    images: await Promise.all(plan.images.map((image) => imageToBundle(image, run))),
    createdAt: plan.startedAt,
    factory: runtime.parts.release ?? '',
    base: bases.map(({ base }) => base),
    leaveOut: new Set(bases.flatMap(({ digests }) => [...digests])),
    policy: { platforms, referrers: plan.referrers, pins },
    read: ({ sources: [source] }, digest, each) =>
      runtime.manifests.through(digest, () => source.manifest(digest, each)),
    signal,
  };
}

/** Names an image of the plan, and the places that have its blobs. Its root may be one without some platforms. */
async function imageToBundle(planned: PlannedImage, { runtime, signal }: TaskRun): Promise<ImageToBundle> {
  const { image, target, digest, fields = [] } = planned;
  const [first, ...others] = placesOf(planned);
  if (!first || digest === undefined) throw new RangeError(`the plan has no source of ${image}`);
  const source = runtime.repository(first);
  return {
    name: target,
    root: await runtime.manifests.through(digest, () => source.manifest(digest, signal)),
    sources: [source, ...others.map((other) => runtime.repository(other))],
    sourceName: sourceName(first),
    roles: fields,
  };
}

function placesOf({ source, otherSources = [] }: PlannedImage): Reference[] {
  return source ? [source, ...otherSources] : [];
}
