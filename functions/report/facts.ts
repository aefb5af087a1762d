import { redacted } from '../http/redact.ts';
import { formatLocation } from '../oci/spec/reference.ts';
import type { CopyResult, Phase, Plan, Report } from '../state/documents.ts';
import type { RunDocuments } from '../state/run-documents.ts';

type Facts = Pick<Report, 'factory' | 'startedAt' | 'endedAt' | 'trigger' | 'accountId' | 'registry' | 'phases'>;

/** Returns when and where a run took place, from its plan or, before there is one, from the record of its phases. */
export async function factsOf(
  documents: RunDocuments,
  plan: Plan | undefined,
  results: readonly (CopyResult | undefined)[],
  release: string | undefined,
): Promise<Facts> {
  const recorded = (await documents.phases.find().catch(() => undefined)) ?? [];
  const startedAt = plan?.startedAt ?? recorded[0]?.startedAt;
  const phases = inOrder([...recorded, ...copyPhase(results)]);
  return {
    ...(release !== undefined && { factory: release }),
    ...(startedAt !== undefined && { startedAt }),
    endedAt: new Date().toISOString(),
    ...(plan?.trigger && { trigger: plan.trigger }),
    ...(plan?.accountId !== undefined && { accountId: plan.accountId }),
    ...(plan && plan.registry.registry !== '' && { registry: formatLocation(plan.registry) }),
    ...(phases.length > 0 && { phases }),
  };
}

/** Returns the copies as one phase: they run side by side. */
function copyPhase(results: readonly (CopyResult | undefined)[]): Phase[] {
  const starts = results.flatMap((result) => result?.startedAt ?? []).toSorted();
  const ends = results.flatMap((result) => result?.endedAt ?? []).toSorted();
  const [startedAt, endedAt] = [starts[0], ends.at(-1)];
  return startedAt === undefined || endedAt === undefined ? [] : [{ name: 'copy', startedAt, endedAt }];
}

function inOrder(phases: Phase[]): Phase[] {
  return phases.toSorted((one, other) => (one.startedAt < other.startedAt ? -1 : 1));
}

/** Redacts every text of an input: a secret may be in a wrong place. */
export function redactedInput(input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, redactedValue(value)]));
}

function redactedValue(value: unknown): unknown {
  if (typeof value === 'string') return redacted(value);
  if (Array.isArray(value)) return value.map(redactedValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [redacted(key), redactedValue(each)]));
}
