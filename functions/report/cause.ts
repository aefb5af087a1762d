import type { ErrorDocument } from '../errors.ts';
import { describeProblems } from '../settings/problems.ts';

/** Maximum length in characters. Step Functions refuses causes above 32,768; people read the first screen. */
const limit = 16_000;

/** Formats a failure for the console of Step Functions: what failed, what to do, and the location of the report. */
export function causeOf({ message, hint, problems }: ErrorDocument, location: string): string {
  const text = [message, `Next: ${hint}`, ...describeProblems(problems)].join('\n');
  return `${text.length > limit ? `${text.slice(0, limit)}…` : text}\nReport: ${location}`;
}
