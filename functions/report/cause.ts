import type { ErrorDocument } from '../errors.ts';
import { describeProblems } from '../settings/problems.ts';

/** Step Functions refuses causes above 32,768 characters; people read the first screen. */
const limit = 16_000;

/** A failure as the console of Step Functions shows it: what happened, what to do, and where the report is. */
export function causeOf({ message, hint, problems }: ErrorDocument, location: string): string {
  const text = [message, `Next: ${hint}`, ...describeProblems(problems)].join('\n');
  return `${text.length > limit ? `${text.slice(0, limit)}…` : text}\nReport: ${location}`;
}
