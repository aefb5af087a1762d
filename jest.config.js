import { apart, testFiles } from './test/together/files.ts';

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

/** The files of a project, each by itself and as Jest runs them together. */
const filesOf = (name) => [...testFiles()[name], `test/together/${name}-*.test.ts`].map((file) => `<rootDir>/${file}`);

export default {
  maxWorkers: '100%',
  // Ends a test that hangs, not one on a machine that is busy.
  testTimeout: 60_000,
  filter: '<rootDir>/test/together/filter.cjs',
  projects: [
    { ...project, displayName: 'unit', testMatch: filesOf('unit') },
    {
      ...project,
      displayName: 'integration',
      globalSetup: '<rootDir>/test/shared-folder.ts',
      testMatch: [...filesOf('integration'), ...apart.map((folder) => `<rootDir>/test/${folder}*.test.ts`)],
      testPathIgnorePatterns: ['/node_modules/', ...apart.map((folder) => `<rootDir>/test/${folder}`)],
    },
  ],
};
