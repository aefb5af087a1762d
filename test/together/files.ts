import { globSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Folders of suites that have a command of their own. */
export const apart = ['browser/', 'deployed/', 'package/', 'release/'];

/**
 * Suites that start no command, no registry with images, no whole run and no synthesis, load no SDK for many of its
 * commands, wait for no time limit, and try no pattern with long texts: what a programmer runs after each change.
 */
const unit = [
  'architecture',
  'async/',
  'docs/(?!air-gap|api|cost|triggers)',
  'harness/(?!objects/(?:schema|upsert))',
  'http/(?!closing-peers|time-limits)',
  'images/',
  'mutation/',
  'oci/spec/(?!image)',
  'overrides/',
  'plan/(?!ecr-connector|planned-repairs|recovery|repairs|unused-images)',
  'runtime/',
  'scan/',
  'settings/',
  'state/(?!earlier-release|schema)',
  'telemetry/',
  'text/(?!hostile)',
  'webhook/(?!handler|hostile|start-once|stop-run|webhook)',
  'workflow-error',
];

const startsWith = (prefixes: readonly string[]) => new RegExp(`^test/(?:${prefixes.join('|')})`);

export type Project = 'unit' | 'integration';

/** Returns the test files of each project of Jest, as paths from the root of the repository, in order. */
export function testFiles(): Readonly<Record<Project, readonly string[]>> {
  const files = globSync('test/**/*.test.ts', { cwd: root, exclude: ['test/together'] })
    .filter((file) => !startsWith(apart).test(file))
    .toSorted();
  const { unit: small = [], integration = [] } = Object.groupBy(files, (file) =>
    startsWith(unit).test(file) ? 'unit' : 'integration',
  );
  return { unit: small, integration };
}
