import { describe, expect, it } from '@jest/globals';
import { problemsOf } from '../../../functions/harness/objects/checks.ts';
import { cronProblem } from '../../../functions/harness/objects/cron.ts';
import { objectKinds } from '../../../functions/harness/objects/object.ts';
import { missedBySchemas, otherMistakes } from './mistakes.ts';
import { samples } from './samples.ts';

describe('our checks', () => {
  it.each([...missedBySchemas, ...otherMistakes])('find %s of a %s', (_, kind, change, path) => {
    const problems = problemsOf(change(samples[kind]));
    expect(problems.map((problem) => problem.path)).toContain(path);
    for (const { found, allowed } of problems) expect([found, allowed]).not.toContain('');
  });

  it.each([
    ['nothing', ''],
    ['text that is not YAML', 'pipeline: ['],
    ['a key twice', 'pipeline: {}\npipeline: {}'],
    ['two objects', 'pipeline: {}\ntrigger: {}'],
    ['an unknown kind', 'service: {}'],
    ['the name of a function', 'constructor: {}'],
    ['a list', 'pipeline: []'],
    [
      'aliases without end',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
        .split('')
        .map((name, i) => `${name}: &${name} [${`*${'abcdefgh'[i]},`.repeat(9)}]`)
        .join('\n')}`,
    ],
  ])('find one problem of the whole in %s', (_, yaml) => {
    expect(problemsOf(yaml)).toHaveLength(1);
  });

  it.each(objectKinds)('find no problem in the sample of a %s', (kind) => {
    expect(problemsOf(samples[kind])).toEqual([]);
  });
});

describe('cron expressions', () => {
  it.each(['0 2 * * *', '*/15 0-6,22 1,15 JAN-MAR MON', '0 0 29 2 *', '5/10 * * * 7', '0 0 31 2 MON', '0 0 30 2,4 *'])(
    'accept %s as UNIX',
    (expression) => {
      expect(cronProblem(expression, 'UNIX')).toBeUndefined();
    },
  );

  it.each([
    ['0 2 * *', '4 fields'],
    ['0 2 * * ? *', '6 fields'],
    ['60 2 * * *', 'the minute 60'],
    ['0 24 * * *', 'the hour 24'],
    ['0 2 0 * *', 'the day of month 0'],
    ['0 2 ? * *', 'the day of month ?'],
    ['0 2 * 13 *', 'the month 13'],
    ['0 2 * * 8', 'the day of week 8'],
    ['0 2 * * MON-', 'the day of week MON-'],
    ['*/0 2 * * *', 'the minute */0'],
    ['30-10 2 * * *', 'the minute 30-10'],
    ['0 0 30 2 *', 'a day that its months do not have'],
    ['0 0 31 4,6,9,11 *', 'a day that its months do not have'],
  ])('refuse %s as UNIX, for %s', (expression, reason) => {
    expect(cronProblem(expression, 'UNIX')).toContain(reason);
  });

  it.each(['0 0 2 * * ?', '0 0/30 8-18 ? * MON-FRI', '0 15 10 L * ? 2026', '0 15 10 ? * 6#3', '0 0 2 LW * ?'])(
    'accept %s as Quartz',
    (expression) => {
      expect(cronProblem(expression, 'QUARTZ')).toBeUndefined();
    },
  );

  it.each(['0 2 * * *', '0 0 2 * * *', '0 0 2 ? * ?', '0 0 2 * * ? 1900', '0 0 2 W * ?'])(
    'refuse %s as Quartz',
    (expression) => {
      expect(cronProblem(expression, 'QUARTZ')).toBeDefined();
    },
  );
});
