import type { z } from 'zod';
import { FactoryError, type Problem } from '../errors.ts';
import { parseImageName } from '../oci/spec/reference.ts';
import { printable } from '../text/printable.ts';
import { meantBy } from './terraform-names.ts';
import { UnreadableText } from './understood-input.ts';
import { TextSyntaxError } from '../text/text-syntax-error.ts';

const foundLimit = 80;
const reasonLimit = 200;
/** Maximum length of a value to render, in characters. */
const lookLimit = 2_000;

/**
 * Returns every issue of a failed parse as a problem. The schemas here state the allowed values in each message. The
 * path and the value found are read from the raw value. `keys` are the keys that an unknown one may stand for.
 */
export function problemsOf(error: z.ZodError, raw: unknown, keys: readonly string[]): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const reason = issue.path.length === 0 ? meantBy(key, keys) : undefined;
        const place = at(raw, [...issue.path, key]);
        if (reason === undefined) return { ...place, found: 'an unknown key', allowed: issue.message };
        // The long list of keys tells nothing beside the key that was meant.
        return { ...place, found: 'an unknown key', allowed: 'a key of docs/reference.md', reason };
      });
    }
    const reason: unknown =
      issue.code === 'invalid_key'
        ? reasonOfName(issue.path.at(-1))
        : issue.code === 'custom'
          ? issue.params?.['reason']
          : undefined;
    return [{ ...at(raw, issue.path), allowed: issue.message, ...(typeof reason === 'string' && { reason }) }];
  });
}

/** Returns why a key of a map is not an image name without a tag. */
function reasonOfName(key: unknown): string | undefined {
  try {
    const { tag, digest } = parseImageName(String(key));
    return tag === undefined && digest === undefined ? undefined : 'it has a tag or a digest: leave that out';
  } catch (error) {
    return reasonOf(error);
  }
}

/** Returns the reason that a parser gave for refusing a text; `undefined` when it gave none for people. */
export function reasonOf(error: unknown): string | undefined {
  const [problem] = error instanceof FactoryError ? (error.problems ?? []) : [];
  const said = error instanceof TextSyntaxError ? error.message : problem?.found;
  return said === undefined ? undefined : shorten(withoutCredentials(said), reasonLimit);
}

/** Returns the JSON path of a place in `raw`, and a short rendering of the value there. */
function at(raw: unknown, path: readonly PropertyKey[]): { path: string; found: string } {
  let value = raw;
  let text = '$';
  for (const step of path) {
    // A single value may replace a list; it has no index of its own.
    if (typeof step === 'number' && !Array.isArray(value)) break;
    text += pathStep(step);
    value = typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[step] : undefined;
  }
  return { path: text, found: render(value) };
}

function pathStep(step: PropertyKey): string {
  if (typeof step === 'number') return `[${step}]`;
  const key = String(step);
  return /^[A-Za-z_][A-Za-z0-9_]{0,79}$/.test(key) ? `.${key}` : `[${render(key)}]`;
}

/** Renders a value for messages: shortened, and without text that looks like credentials. */
export function render(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value instanceof UnreadableText) return value.found;
  return shorten(withoutCredentials(JSON.stringify(value)), foundLimit);
}

function withoutCredentials(text: string): string {
  return (
    text
      .slice(0, lookLimit)
      .replaceAll(/[^\s"']+/g, withoutUserinfo)
      // A Harness API key in the wrong place.
      .replaceAll(/\b[ps]at\.[\w-]+\.[\w.-]+/g, '***')
  );
}

function shorten(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

/** Removes the text before an "@", which may be a password. Before a digest it is the name of an image. */
function withoutUserinfo(word: string): string {
  let at = word.lastIndexOf('@');
  while (at > 0 && /^@sha(?:256|512):/.test(word.slice(at, at + 8))) at = word.lastIndexOf('@', at - 1);
  return at > 0 ? `***${word.slice(at)}` : word;
}

/** Returns `1 problem`, `2 problems`. */
export function countProblems({ length }: readonly Problem[]): string {
  return `${length} problem${length === 1 ? '' : 's'}`;
}

/** Formats problems as lines for a terminal or a log. */
export function describeProblems(problems: readonly Problem[] = []): string[] {
  return problems.map(({ path, found, allowed, reason }) => {
    const why = reason === undefined ? '' : ` (${reason})`;
    const rule =
      found === 'nothing' ? `not set${why}; expected ${allowed}` : `found ${found}${why}; allowed: ${allowed}`;
    return `  ${printable(`${path}: ${rule}`, Infinity)}`;
  });
}
