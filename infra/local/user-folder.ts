import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Environment } from '../../functions/settings/configuration.ts';

/** Returns the user's home folder; `undefined` for a user id without HOME and passwd entry, as in containers. */
export function homeFolder(): string | undefined {
  try {
    const folder = homedir();
    // An empty HOME counts as none. Files would otherwise be written to the current folder.
    return isAbsolute(folder) ? folder : undefined;
  } catch {
    return undefined;
  }
}

/** Sets HOME for a user without a home folder. The AWS SDK looks the home folder up first, and fails without one. */
export function homeForAwsSdk(): void {
  if (homeFolder() === undefined) process.env['HOME'] = '/';
}

/**
 * Returns our folder for the user's state or cache, or `undefined` if the user has no home. Ignores relative paths, as
 * https://specifications.freedesktop.org/basedir-spec/latest/ requires.
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
