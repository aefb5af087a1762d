import * as z from 'zod';

/**
 * The outcome of a mutant. Only a test that failed kills. A test that ran out of time proves nothing on a busy machine,
 * and a mutant that neither compiles nor loads could not have been merged.
 */
export type Verdict = 'killed' | 'survived' | 'timed out' | 'broken';

/** The part of `jest --json` that tells how a suite ended. */
const jestResults = z.object({
  success: z.boolean(),
  testResults: z.array(
    z.object({ assertionResults: z.array(z.object({ status: z.string(), failureMessages: z.array(z.string()) })) }),
  ),
});

/** jest-circus, utils.ts: `Exceeded timeout of 60000 ms for a test`, or for a hook. */
const timeOut = /Exceeded timeout of [\d,.]+ ms/;

/** Returns the verdict of one suite on a mutant. There are no results when jest itself was ended. */
export function verdictOf(results: string | undefined): Verdict {
  if (results === undefined) return 'timed out';
  const { success, testResults } = jestResults.parse(JSON.parse(results));
  if (success) return 'survived';
  const failures = testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed'),
  );
  if (failures.length === 0) return 'broken';
  const timedOut = failures.every(({ failureMessages }) => failureMessages.some((message) => timeOut.test(message)));
  return timedOut ? 'timed out' : 'killed';
}
