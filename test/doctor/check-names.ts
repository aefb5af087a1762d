import type { Report } from '../../functions/state/documents.ts';
import type { Check } from '../../functions/state/documents/checks.ts';

/** The checks that need no command: those of a run on AWS. */
export const checksOfRuntime = [
  'Node.js',
  'proxy',
  'certificates',
  'Harness',
  'clock',
  'key',
  'account',
  'connector',
  'source',
  'target',
  'state',
];

/** Returns the name of a check without the address in it. */
export function nameOf({ name }: Check): string {
  return name.replace(/ .*/, '');
}

export function namesOf({ checks = [] }: Report): string[] {
  return checks.map(nameOf);
}
