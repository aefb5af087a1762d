import { taskNeeds } from '../../infra/task-needs.ts';

/** Returns the actions that a role in the account of the registry must allow: all needs of all tasks. */
export function needed(of: 'ecr' | 'ecrRegistry' | 'ecrSource'): string[] {
  return [...new Set(Object.values(taskNeeds).flatMap((need) => need[of] ?? []))].toSorted();
}
