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
const unitSuites = `^${RegExp.escape(import.meta.dirname)}/test/(?:${unit.join('|')})`;

const project = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2024', experimental: { keepImportAttributes: true } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};

export default {
  maxWorkers: '100%',
  // Ends a test that hangs, not one on a machine that is busy.
  testTimeout: 60_000,
  projects: [
    { ...project, displayName: 'unit', testRegex: `${unitSuites}.*\\.test\\.ts$` },
    {
      ...project,
      displayName: 'integration',
      globalSetup: '<rootDir>/test/shared-folder.ts',
      testMatch: ['**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/(?:browser|deployed|package|release)/', unitSuites],
    },
  ],
};
