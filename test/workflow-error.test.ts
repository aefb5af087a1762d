import { describe, expect, it } from '@jest/globals';
import { FactoryError, type Problem } from '../functions/errors.ts';
import { parseErrorCause, TaskError } from '../functions/workflow-error.ts';

const document = { name: 'ImagesFailed', message: '1 of 5', hint: 'look' };

describe('the error behind a Catch', () => {
  it('reads the error document of a failed task', () => {
    const Cause = JSON.stringify({ errorType: 'ImagesFailed', errorMessage: JSON.stringify(document), trace: [] });
    expect(parseErrorCause({ Error: 'ImagesFailed', Cause })).toEqual(document);
    expect(parseErrorCause({ Error: 'ImagesFailed', Cause: JSON.stringify(document) })).toEqual(document);
  });

  const read = (Error: string, Cause?: string) => parseErrorCause({ Error, ...(Cause !== undefined && { Cause }) });

  it.each([
    ['Lambda.TooManyRequestsException', 'Rate Exceeded.', 'LambdaThrottled', /throttled .*: Rate Exceeded/],
    ['Sandbox.Timedout', '{"errorMessage":"Task timed out after 300.00 seconds"}', 'FunctionCrashed', /time limit/],
    ['Lambda.Unknown', '{"errorMessage":"Task timed out after 900.00 seconds"}', 'FunctionCrashed', /time limit.*900/],
    ['States.Timeout', undefined, 'FunctionCrashed', /time limit: States.Timeout: no reason given$/],
    ['Runtime.OutOfMemory', 'Runtime exited', 'FunctionCrashed', /memory/],
    [
      'Runtime.ExitError',
      '{"errorMessage":"Error: Runtime exited with error: signal: killed"}',
      'FunctionCrashed',
      /memory/,
    ],
    ['Runtime.ExitError', 'exit status 1', 'FunctionCrashed', /ended before it returned .*exit status 1$/],
    ['Lambda.Unknown', 'no response', 'FunctionCrashed', /ended before/],
    ['Lambda.ResourceNotReadyException', 'The function is inactive', 'LambdaUnavailable', /did not run .*inactive/],
    ['Lambda.KMSAccessDeniedException', 'no', 'LambdaUnavailable', /KMSAccessDenied/],
    // Of a copy that failed the workflow keeps the name alone.
    ['StoreFailed', undefined, 'StoreFailed', /^StoreFailed: no reason given$/],
  ])('%s (%s) is %s', (name, cause, expected, message) => {
    const error = read(name, cause);
    expect(error.name).toBe(expected);
    expect(error.message).toMatch(message);
    expect(error.hint).not.toBe('');
  });

  it.each([
    ['a cause that is JSON of another kind', '[1]', 'Oops: [1]'],
    ['a document that is not complete', '{"errorMessage":"{\\"name\\":\\"x\\"}"}', 'Oops: {"name":"x"}'],
    ['null', 'null', 'Oops: null'],
  ])('keeps the text of an unknown cause: %s', (_, cause, message) => {
    expect(read('Oops', cause)).toMatchObject({ name: 'UnexpectedError', message });
  });

  it('limits the length of a message', () => {
    expect(parseErrorCause({ Error: 'Oops', Cause: 'x'.repeat(100_000) }).message.length).toBeLessThan(2_100);
  });
});

describe('the error a task ends with', () => {
  const failure = (error: unknown) => new TaskError(FactoryError.from(error));
  const read = (error: Error) =>
    parseErrorCause({ Error: error.name, Cause: JSON.stringify({ errorMessage: error.message }) });

  it('survives the workflow whole', () => {
    const problems = [{ path: '$.x', found: '1', allowed: 'nothing' }];
    const error = failure(new FactoryError('InvalidInput', 'no', { hint: 'yes', problems }));
    expect(error.name).toBe('InvalidInput');
    expect(read(error)).toEqual({ name: 'InvalidInput', message: 'no', hint: 'yes', problems });
  });

  it('reports an error that is no FactoryError as a bug', () => {
    expect(read(failure(new TypeError('x is undefined')))).toMatchObject({
      name: 'UnexpectedError',
      message: 'TypeError: x is undefined',
    });
  });

  it('shows a problem whose texts are long, cut', () => {
    const long = 'x'.repeat(50_000);
    const problems = [{ path: '$.x', found: long, allowed: long, reason: long }];
    const [problem] = read(failure(new FactoryError('InvalidInput', 'no', { hint: 'yes', problems }))).problems ?? [];
    expect(problem).toMatchObject({ path: '$.x', found: expect.stringMatching(/^x+…$/) });
    expect(problem?.allowed).toMatch(/^x+…$/);
    expect(problem?.reason).toMatch(/^x+…$/);
  });

  describe.each([
    ['words', 'long-'],
    ['quotes', '"'],
    ['characters outside of the basic plane', '🏭'],
  ])(
    'fits into the cause of Step Functions, with Lambda repeating it in the trace, with a message of %s',
    (_, text) => {
      const problem: Problem = { path: `$[${text}]`, found: text, allowed: 'one of "a", "b", "c"'.repeat(5) };
      const error = failure(
        new FactoryError('InvalidInput', text.repeat(50_000), {
          hint: text.repeat(10_000),
          problems: Array.from({ length: 5_000 }, (): Problem => problem),
        }),
      );

      it('keeps within the limit', () => {
        const trace = [`Error: ${error.message}`, ...Array.from({ length: 10 }, () => `    at ${'x'.repeat(150)}`)];
        const cause = JSON.stringify({ errorType: error.name, errorMessage: error.message, trace });
        expect(cause.length).toBeLessThan(32_768);
      });

      it('says how much is not shown', () => {
        const { message, hint, problems } = read(error);
        expect(problems?.length).toBeGreaterThan(20);
        expect(problems?.[0]).toEqual(problem);
        expect(message).toMatch(new RegExp(`^(?:${text})+(?:lo)?….*; the cause has room for the first \\d+$`, 'u'));
        expect(hint).toMatch(new RegExp(`^(?:${text})+…$`, 'u'));
      });
    },
  );
});
