import type { Registry } from '../oci/registry/registry.ts';
import type { RegistryCounts } from '../state/documents.ts';

type Counts = Omit<RegistryCounts, 'host' | 'pulls'>;

const none: Counts = { requests: {}, retries: 0, throttles: 0, pauses: 0, mounts: 0 };

/** Counts requests by registry, each once, however many tasks run at the same time. */
export class RegistryCounter {
  readonly #taken = new Map<Registry, Counts>();

  /** Returns the counts of each registry since the last call. */
  take(registries: Iterable<Registry>): RegistryCounts[] {
    return [...registries].flatMap((registry) => {
      const { requests, retries, throttles, pauses, mounts } = registry.limits.counts();
      const now: Counts = { requests: { ...requests }, retries, throttles, pauses, mounts };
      const since = combine(now, this.#taken.get(registry) ?? none, -1);
      this.#taken.set(registry, now);
      const { budget } = registry.pulls;
      const pulls = budget && { pulls: { limit: budget.limit, remaining: budget.remaining } };
      return Object.keys(since.requests).length > 0 ? [{ host: registry.name, ...since, ...pulls }] : [];
    });
  }
}

/** Sums counts by host, with the fewest remaining pulls. */
export function sumCounts(counts: readonly RegistryCounts[]): RegistryCounts[] {
  const byHost = new Map<string, RegistryCounts>();
  for (const count of counts) {
    const { host, pulls } = count;
    const known = byHost.get(host);
    const fewest = known?.pulls && (!pulls || known.pulls.remaining < pulls.remaining) ? known.pulls : pulls;
    byHost.set(host, { host, ...combine(known ?? none, count, 1), ...(fewest && { pulls: fewest }) });
  }
  return [...byHost.values()];
}

function combine(a: Counts, b: Counts, sign: 1 | -1): Counts {
  const methods = [...new Set([...Object.keys(a.requests), ...Object.keys(b.requests)])].toSorted();
  const requests = methods.map(
    (method) => [method, (a.requests[method] ?? 0) + sign * (b.requests[method] ?? 0)] as const,
  );
  return {
    requests: Object.fromEntries(requests.filter(([, count]) => count > 0)),
    retries: a.retries + sign * b.retries,
    throttles: a.throttles + sign * b.throttles,
    pauses: a.pauses + sign * b.pauses,
    mounts: a.mounts + sign * b.mounts,
  };
}
