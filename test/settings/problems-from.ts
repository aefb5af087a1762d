import { FactoryError, type Problem } from '../../functions/errors.ts';

/** Returns the problems of the error `name` that `parse` throws; an empty list when it throws nothing. */
export function problemsFrom(name: 'InvalidConfiguration' | 'InvalidInput', parse: () => unknown): Problem[] {
  try {
    parse();
  } catch (error) {
    if (error instanceof FactoryError && error.name === name) return error.problems ?? [];
    throw error;
  }
  return [];
}
