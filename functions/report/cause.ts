import type { ErrorDocument } from '../errors.ts';
import type { ConsoleLinks } from '../text/console.ts';
import { describeProblems } from '../settings/problems.ts';

/** Maximum length in characters. Step Functions refuses causes above 32,768; people read the first screen. */
const limit = 16_000;

/** Formats a failure for the console of Step Functions: what failed, what to do, and the places of page and report. */
export function causeOf(
  { message, hint, problems }: ErrorDocument,
  location: string,
  links: ConsoleLinks | undefined,
): string {
  const text = [message, `Next: ${hint}`, ...describeProblems(problems)].join('\n');
  const page = links?.page === undefined ? '' : `\nPage: ${links.page}`;
  return `${text.length > limit ? `${text.slice(0, limit)}…` : text}${page}\nReport: ${location}`;
}
