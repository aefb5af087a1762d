import * as z from 'zod';

/** The key that the schedule of a deployment adds to the input of its runs, with its ARN. People leave it out. */
export const scheduleMark = 'started_by_schedule';

const marked = z.looseObject({ [scheduleMark]: z.string().min(1) });

/** Returns an input without the mark of the schedule; `undefined` for an input that has no such mark. */
export function scheduledInput(input: unknown): object | undefined {
  const { data } = marked.safeParse(input);
  if (!data) return undefined;
  const { [scheduleMark]: _mark, ...rest } = data;
  return rest;
}
