import * as z from 'zod';
import { reasonOf } from './problems.ts';
import { globLimit, isGlob } from '../text/glob.ts';
import { nearest } from '../text/nearest.ts';
import { own } from '../text/own.ts';
import { UnreadableText } from './understood-input.ts';

/** Schemas for the values of an execution input. The error of each states the allowed values. */

export const bool = z.boolean({ error: 'true or false' });

/**
 * Accepts one of several names. The problem of a misspelled name suggests the nearest. `refusals` holds reasons for names
 * that people may expect here, in upper case.
 */
export const choice = <const T extends readonly string[]>(names: T, refusals: Readonly<Record<string, string>> = {}) =>
  z.preprocess(
    (value, context) => {
      if (typeof value !== 'string' || names.includes(value)) return value;
      const [meant] = nearest(value, names, 1);
      const suggestion = meant === undefined ? undefined : `did you mean ${JSON.stringify(meant)}?`;
      const reason = own(refusals, value.toUpperCase()) ?? suggestion;
      context.issues.push({ code: 'custom', message: names.join(', '), input: value, params: { reason } });
      return z.NEVER;
    },
    z.enum(names, { error: names.join(', ') }),
  );

export function wholeNumber(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** Accepts one value or a non-empty list of values. */
export const listOf = <T extends z.ZodType>(item: T, error: string) =>
  z.preprocess(listed, z.array(item, { error }).min(1, { error }));

export function listed(value: unknown): unknown {
  return typeof value === 'string' || value instanceof UnreadableText ? [value] : value;
}

export const text = (allowed: string, accepts: (value: string) => boolean) =>
  z.string({ error: allowed }).refine(accepts, { error: allowed, abort: true });

export const globs = z.preprocess(
  listed,
  z.array(
    // A leading "!" would invert the list; include and exclude lists exist for that.
    text(
      `a glob on field or image names of *, **, ?, [a-z] and {a,b}, such as "buildAndPush*" or "plugins/*"; at most ${globLimit} characters, not negated`,
      (glob) => glob.trim() !== '' && !glob.startsWith('!') && isGlob(glob),
    ),
    {
      error: 'a list of globs',
    },
  ),
);

/** Accepts text that `parse` accepts, and returns the parsed value. The parser's reason goes into the problem. */
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
