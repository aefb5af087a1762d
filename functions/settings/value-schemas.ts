import * as z from 'zod';
import { reasonOf } from './problems.ts';
import { globLimit, isGlob } from '../text/glob.ts';

/** What values of an execution input are made of; each says in its error what is allowed. */

export const bool = z.boolean({ error: 'true or false' });

export const choice = <const T extends readonly string[]>(values: T) => z.enum(values, { error: values.join(', ') });

export function wholeNumber(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** One value or a list of them; never an empty list. */
export const listOf = <T extends z.ZodType>(item: T, error: string) =>
  z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(item, { error }).min(1, { error }),
  );

export const text = (allowed: string, accepts: (value: string) => boolean) =>
  z.string({ error: allowed }).refine(accepts, { error: allowed, abort: true });

export const globs = z.array(
  // A leading "!" would turn a list into its opposite; that is what the other list is for.
  text(
    `a glob on field or image names of *, **, ?, [a-z] and {a,b}, such as "buildAndPush*" or "plugins/*"; at most ${globLimit} characters, not negated`,
    (glob) => glob.trim() !== '' && !glob.startsWith('!') && isGlob(glob),
  ),
  {
    error: 'a list of globs',
  },
);

/** Text that `parse` accepts, as what it returns. Its reason for refusing other text goes into the problem. */
export function parsed<T>(allowed: string, parse: (value: string) => T) {
  return z.string({ error: allowed }).transform((value, context): T => {
    try {
      return parse(value);
    } catch (error) {
      context.issues.push({ code: 'custom', message: allowed, input: value, params: { reason: reasonOf(error) } });
      return z.NEVER;
    }
  });
}
