import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Environment } from '../../functions/settings/configuration.ts';

/** The user's home; `undefined` for a user id without an entry in passwd and without HOME, as containers have. */
export function homeFolder(): string | undefined {
  try {
    const folder = homedir();
    // An empty HOME counts as none: files would land wherever the command is started.
    return isAbsolute(folder) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Our folder of the user's state or cache; `undefined` when the user has no home.
 * https://specifications.freedesktop.org/basedir-spec/latest/, which ignores relative paths
 */
export function userFolder(kind: 'state' | 'cache', environment: Environment): string | undefined {
  const { variable, path } = places[kind];
  const named = environment[variable] ?? '';
  const home = homeFolder();
  const base = isAbsolute(named) ? named : home && join(home, ...path);
  return base && join(base, 'harness-ci-image-factory');
}

const places = {
  state: { variable: 'XDG_STATE_HOME', path: ['.local', 'state'] },
  cache: { variable: 'XDG_CACHE_HOME', path: ['.cache'] },
} as const;
