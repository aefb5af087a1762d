/**
 * Suites that start no command, no registry with images, no whole run and no synthesis, and try no pattern with long
 * texts. All of them together take less than 30 seconds on two cores.
 */
const unit = [
  'architecture',
  'async/',
  'docs/(?!air-gap|api|cost|triggers)',
  'harness/(?!objects/schema)',
  'http/',
  'images/',
  'mutation/',
  'oci/spec/',
  'overrides/',
  'plan/(?!repairs|planned-repairs|unused-images)',
  'prune/',
  'runtime/',
  'scan/',
  'settings/',
  'state/(?!earlier-release)',
  'telemetry/',
  'text/(?!hostile)',
  'webhook/(?!hostile|webhook)',
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
      testMatch: ['**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/(?:browser|deployed|package|release)/', unitSuites],
    },
  ],
};
