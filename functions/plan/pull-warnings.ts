import { isLow, type PullBudget } from '../oci/registry/pull-budget.ts';

export interface Source {
  name: string;
  budget: PullBudget | undefined;
  /** Images that need more pulls than are left, and that no other source has. */
  overdrawnFor: readonly string[];
}

export function pullWarnings(sources: readonly Source[]): string[] {
  return sources.flatMap(({ name, budget, overdrawnFor }) => [
    ...(budget && isLow(budget)
      ? [`${name}: ${budget.remaining} of ${budget.limit} manifest pulls left in ${inWords(budget.windowSeconds)}`]
      : []),
    ...(overdrawnFor.length > 0
      ? [
          `${name} has too few manifest pulls left for ${overdrawnFor.join(', ')}, and no other source has the same images`,
        ]
      : []),
  ]);
}

function inWords(seconds: number): string {
  if (seconds > 0 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds > 0 && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}
