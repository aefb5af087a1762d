import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { testFiles } from './together/files.ts';

/** The part that is read of the results that Jest writes with `--json`. */
interface Results {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  /** Suites that did not load, or failed outside of their tests. */
  numRuntimeErrorTestSuites: number;
  testResults: SuiteResult[];
}

interface SuiteResult {
  name: string;
  message: string;
  /** Milliseconds since the epoch. */
  startTime: number;
  endTime: number;
  assertionResults: TestResult[];
}

interface TestResult {
  status: string;
  fullName: string;
  ancestorTitles: string[];
  failureMessages: string[];
  startAt?: number | null;
  duration?: number | null;
}

/** Longest text of a failure, in characters. */
const longestFailure = 1_500;
const slowest = 10;
const together = 'test/together/';

/** Reads the results of a script. A script that wrote none has failed. */
function read(folder: string, script: string): Results {
  try {
    return JSON.parse(readFileSync(join(folder, `${script.replaceAll(':', '-')}.json`), 'utf8')) as Results;
  } catch {
    console.log(`failed: npm run ${script} wrote no results\n`);
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numRuntimeErrorTestSuites: 1, testResults: [] };
  }
}

/** Yields the files of a suite with their seconds: many, when they ran together (`test/together`). */
function* files({ name, startTime, endTime, assertionResults }: SuiteResult): Generator<[string, number]> {
  const path = relative('.', name);
  if (!path.startsWith(together)) return yield [path, (endTime - startTime) / 1_000];
  let from = startTime;
  for (const tests of Map.groupBy(assertionResults, ({ ancestorTitles: [file = path] }) => file)) {
    const [file, results] = tests;
    const end = Math.max(from, ...results.map(({ startAt, duration }) => (startAt ?? 0) + (duration ?? 0)));
    yield [file, (end - from) / 1_000];
    from = end;
  }
}

/** Returns the start of a failure, without the frames of Jest. */
function shown(text: string): string {
  const lines = text.split('\n').filter((line) => !/^ +at .*(?:node_modules|node:internal)/.test(line));
  return lines.join('\n').slice(0, longestFailure);
}

/** Prints what failed, what was skipped, the slowest files, and last the sum. Returns the exit code. */
function summarize(folder: string, scripts: readonly string[]): number {
  const runs = scripts.map((script) => read(folder, script));
  const suites = runs.flatMap(({ testResults }) => testResults);
  for (const { name, message, assertionResults } of suites) {
    const path = relative('.', name);
    // Of files that ran together, the names begin with the path.
    const named = (fullName: string) => (path.startsWith(together) ? fullName : `${path} ${fullName}`);
    const failures = assertionResults.filter(({ status }) => status === 'failed');
    for (const { fullName, failureMessages } of failures)
      console.log(`failed: ${named(fullName)}\n${shown(failureMessages.join('\n'))}\n`);
    // It did not load, or a hook failed.
    if (message !== '' && failures.length === 0) console.log(`failed: ${path}\n${shown(message)}\n`);
    const left = assertionResults.filter(({ status }) => status === 'pending');
    for (const { fullName } of left) console.log(`skipped: ${named(fullName)}`);
  }
  const times = suites.flatMap((suite) => [...files(suite)]);
  const { unit, integration } = testFiles();
  const missing = [...unit, ...integration].filter((file) => !times.some(([ran]) => ran === file));
  for (const file of missing) console.log(`failed: ${file} has no tests`);
  console.log(`The ${slowest} slowest files:`);
  times.sort(([, one], [, other]) => other - one);
  for (const [file, seconds] of times.slice(0, slowest)) console.log(`${seconds.toFixed(1).padStart(7)} s  ${file}`);
  const sum = (count: (run: Results) => number) => runs.map(count).reduce((one, other) => one + other, 0);
  const passed = sum((run) => run.numPassedTests);
  const skipped = sum((run) => run.numPendingTests);
  const failed = sum((run) => run.numFailedTests + run.numRuntimeErrorTestSuites) + missing.length;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 || skipped > 0 || runs.some((run) => run.numPassedTests === 0) ? 1 : 0;
}

const [folder = '', ...scripts] = process.argv.slice(2);
process.exitCode = summarize(folder, scripts);
