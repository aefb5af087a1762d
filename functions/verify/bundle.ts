import type { Verification } from '../bundle/verify-bundle.ts';
import { FactoryError } from '../errors.ts';
import type { TaskRun } from '../runtime/task-run.ts';
import type { CarriedBundle } from '../state/documents.ts';

const shownDamages = 20;

/**
 * Reads a whole bundle, without a registry and without Harness.
 *
 * @throws {FactoryError} `BundleInvalid` with every part, entry and digest that is damaged; `SignatureInvalid`.
 */
export async function checkBundle({ address }: CarriedBundle, { runtime, signal }: TaskRun): Promise<Verification> {
  const { bundles } = runtime.parts;
  if (!bundles) throw new TypeError('nothing here can open or write bundles');
  const verification = await bundles.verify(address, {
    onBytes: (bytes) => runtime.progress({ kind: 'image-progress', image: address, bytes }),
    signal,
  });
  const { damages } = verification;
  if (damages.length === 0) return verification;
  const more = damages.length - shownDamages;
  const shown = damages.slice(0, shownDamages).map(describe).join('; ') + (more > 0 ? `; and ${more} more` : '');
  throw new FactoryError('BundleInvalid', shown, {
    hint: 'Carry the named files again. If the export kept none, run it again; parts alone: export --plan NAME.bundle.json --parts NUMBERS --to NAME.tar.',
  });
}

function describe({ part, entry, reason }: Verification['damages'][number]): string {
  return [part, ...(entry === undefined ? [] : [entry]), reason].join(': ');
}
