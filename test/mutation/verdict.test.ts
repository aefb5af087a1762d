import { describe, expect, it } from '@jest/globals';
import { verdictOf } from './verdict.ts';

const assertion = 'Error: expect(received).toBe(expected)';
const timeOut = 'thrown: "Exceeded timeout of 60000 ms for a test.\nAdd a timeout value to this test"';
const results = (...failures: string[][]) =>
  JSON.stringify({
    success: failures.length === 0,
    testResults: [
      {
        assertionResults: [
          { status: 'passed', failureMessages: [] },
          ...failures.map((failureMessages) => ({ status: 'failed', failureMessages })),
        ],
      },
    ],
  });

describe('verdictOf', () => {
  it('reports a mutant that a test fails on as killed', () => {
    expect(verdictOf(results([assertion]))).toBe('killed');
    expect(verdictOf(results([timeOut], [assertion]))).toBe('killed');
  });

  it('reports a mutant that all tests pass with as survived', () => {
    expect(verdictOf(results())).toBe('survived');
  });

  it('reports a mutant that only time limits noticed as timed out', () => {
    expect(verdictOf(results([timeOut]))).toBe('timed out');
    expect(verdictOf(results([assertion, timeOut]))).toBe('timed out');
    expect(verdictOf(undefined)).toBe('timed out');
  });

  it('reports a mutant that no test could load as broken', () => {
    expect(verdictOf(JSON.stringify({ success: false, testResults: [{ assertionResults: [] }] }))).toBe('broken');
  });
});
