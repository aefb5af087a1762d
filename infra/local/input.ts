import { readFileSync } from 'node:fs';
import { FactoryError } from '../../functions/errors.ts';

/** An execution input is a page of JSON at most. */
const limit = 1024 * 1024;

/**
 * Reads the execution input from a file, or from standard input for `-`, and gives it the command's action.
 * Throws `InvalidInput` for what is not JSON, or asks for another action than the command.
 */
export function readInput(source: string | undefined, action: string): Record<string, unknown> {
  const input = source === undefined ? {} : parse(source);
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalid(
      `${nameOf(source)} is not a JSON object`,
      'Write the execution input as {"registry": "…"}; the README lists the keys.',
    );
  }
  const asked = (input as Record<string, unknown>)['action'];
  if (asked !== undefined && asked !== action) {
    const problems = [
      { path: '$.action', found: JSON.stringify(asked), allowed: `"${action}", or nothing: the command says it` },
    ];
    throw new FactoryError('InvalidInput', 'the input asks for another action than the command', {
      hint: 'Use the command of that name.',
      problems,
    });
  }
  return { ...input, action };
}

function parse(source: string): unknown {
  let text: string;
  try {
    text = readFileSync(source === '-' ? 0 : source, 'utf8');
  } catch (cause) {
    throw invalid(
      `cannot read ${nameOf(source)} (${(cause as NodeJS.ErrnoException).code})`,
      'Name a readable file, or - for standard input.',
      cause,
    );
  }
  if (text.length > limit)
    throw invalid(`${nameOf(source)} is larger than 1 MiB`, 'An execution input is a small JSON object.');
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw invalid(
      `${nameOf(source)} is not JSON: ${(cause as Error).message}`,
      'Check commas, quotes and brackets.',
      cause,
    );
  }
}

function nameOf(source: string | undefined): string {
  return source === '-' ? 'standard input' : (source ?? 'the input');
}

function invalid(message: string, hint: string, cause?: unknown): FactoryError {
  return new FactoryError('InvalidInput', message, { hint, cause });
}
