import type { Verification, VerifyProgress } from '../bundle/verify-bundle.ts';
import { FactoryError } from '../errors.ts';
import { Deadline, Paused } from '../oci/copy/deadline.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { CarriedBundle } from '../state/documents.ts';

const shownDamages = 20;

/** Calls that read nothing after which the check fails. */
const mostIdleCalls = 5;

/**
 * Reads a whole bundle, without a registry and without Harness, as far as possible before the deadline. The next call
 * continues where this one ended: on AWS, no bundle is too large.
 *
 * @throws {FactoryError} `BundleInvalid` with every part, entry and digest that is damaged; `SignatureInvalid`.
 */
export async function checkBundle(
  { runId, bundle: { address } }: { runId: string; bundle: CarriedBundle },
  { runtime, signal, deadline = Deadline.never }: TaskRun,
): Promise<'agrees' | 'continue'> {
  const { bundles } = runtime.parts;
  if (!bundles) throw new TypeError('nothing here can open or write bundles');
  const document = runtime.run(runId).bundleCheck;
  const before = await document.find();
  let progress: VerifyProgress | undefined = before;
  const resumption = { from: before, keep: (reached: VerifyProgress) => (progress = reached) };
  try {
    const { damages } = await deadline.during([], signal, (each) =>
      bundles.verify(address, {
        onBytes: (bytes) => runtime.progress({ kind: 'image-progress', image: address, bytes }),
        signal: each,
        // Without a deadline, nothing interrupts the check, and Node's own hashes are faster.
        ...(deadline !== Deadline.never && { resumption }),
      }),
    );
    if (damages.length > 0) throw invalid(damages);
    return 'agrees';
  } catch (error) {
    if (!(error instanceof Paused)) throw error;
    const { position = 0 } = progress ?? {};
    const idleCalls = position > (before?.position ?? 0) ? 0 : (before?.idleCalls ?? 0) + 1;
    if (idleCalls >= mostIdleCalls) throw stuck(address, position);
    await document.put({ position, sums: [], damages: [], ...progress, idleCalls });
    return 'continue';
  }
}

function stuck(address: string, position: number): FactoryError {
  return new FactoryError(
    'StoreFailed',
    `${mostIdleCalls} calls in a row read no more than ${position} bytes of ${address}`,
    { hint: 'Check the network between the verify function and S3, and start the check again.' },
  );
}

function invalid(damages: Verification['damages']): FactoryError {
  const more = damages.length - shownDamages;
  const shown = damages.slice(0, shownDamages).map(describe).join('; ') + (more > 0 ? `; and ${more} more` : '');
  throw new FactoryError('BundleInvalid', shown, {
    hint: 'Carry the named files again. If the export kept none, run it again; parts alone: export --plan NAME.bundle.json --parts NUMBERS --to NAME.tar.',
  });
}

function describe({ part, entry, reason }: Verification['damages'][number]): string {
  return [part, ...(entry === undefined ? [] : [entry]), reason].join(': ');
}
