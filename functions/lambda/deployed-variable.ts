import { FactoryError } from '../errors.ts';
import type { Environment } from '../settings/configuration.ts';

/** Returns a variable that the construct sets. Throws `InvalidConfiguration` without it. */
export function deployedVariable(environment: Environment, name: string): string {
  const value = environment[name];
  if (value) return value;
  throw new FactoryError('InvalidConfiguration', `${name} is not set`, {
    hint: 'Deploy the functions with the construct, which sets it.',
  });
}
