import * as z from 'zod';
import { isObject, parseJson } from '../text/json.ts';
import { own } from '../text/own.ts';
import { unresolvedIn } from '../text/plain-text.ts';
import { itemsOf } from './text-list.ts';
import { wordIn } from './word.ts';

/** A text that stands for no value. No schema accepts it, so its key reports it with the values allowed there. */
export class UnreadableText {
  /** Describes the text for messages. */
  readonly found: string;

  constructor(found: string) {
    this.found = found;
  }
}

/**
 * Returns an execution input with each value as its key takes it. Harness variables are texts, so the schema of a key
 * decides how its text is read:
 *
 * - An empty text leaves the key out. White space around a text is ignored.
 * - A switch takes `true` and `false`, a number its digits, a map its JSON.
 * - A list takes JSON, or items with commas between them.
 * - The case of `true`, `false` and of the names of options is ignored.
 *
 * Values that cannot be read so, and unknown keys, stay as they are, for the schema to refuse. Reading the result again
 * changes nothing.
 */
export function understoodInput(input: unknown, shape: Readonly<Record<string, z.ZodType>>): unknown {
  if (!isObject(input)) return input;
  const entries = Object.entries(input).flatMap(([key, value]: [string, unknown]) => {
    const schema = own(shape, key);
    if (schema === undefined) return [[key, value]];
    if (typeof value !== 'string') return [[key, resolved(read(value, schema))]];
    const text = value.trim();
    return text === '' ? [] : [[key, resolved(read(text, schema))]];
  });
  return Object.fromEntries(entries) as unknown;
}

function read(value: unknown, schema: z.core.$ZodType): unknown {
  const taken = takenBy(schema);
  if (taken instanceof z.ZodArray) {
    const items = typeof value === 'string' ? itemsOf(value) : value;
    if (!Array.isArray(items)) return items;
    if (items[0] === value && isBrokenList(items[0], taken.element))
      return new UnreadableText('a list that is not JSON, such as ["a", "b"] with double quotes');
    // One item may stand for a list.
    if (typeof value === 'string' && items.length === 1 && items[0] === value) return read(value, taken.element);
    return items.map((item) => read(item, taken.element));
  }
  if (typeof value !== 'string') return value;
  if (taken instanceof z.ZodEnum) return wordIn(taken.options, value) ?? value;
  if (taken instanceof z.ZodBoolean) return wordIn([true, false], value) ?? value;
  if (taken instanceof z.ZodNumber) return /^\d{1,9}$/.test(value) ? Number(value) : value;
  return taken instanceof z.ZodRecord ? mapOf(value) : value;
}

/** Returns the schema of the values that a schema takes, below what is optional or converted. */
function takenBy(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional) return takenBy(schema.unwrap());
  if (schema instanceof z.ZodPipe) return takenBy(schema.in instanceof z.ZodTransform ? schema.out : schema.in);
  return schema;
}

/** Returns whether a text in brackets cannot be meant as one item. A glob may have brackets, but no quotes. */
function isBrokenList(text: unknown, element: z.core.$ZodType): boolean {
  if (typeof text !== 'string' || !/^\[[^]*\]$/.test(text)) return false;
  return /['"]/.test(text) || takenBy(element) instanceof z.ZodEnum;
}

function mapOf(text: string): unknown {
  if (!text.startsWith('{')) return text;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** Replaces every unresolved text in a value. */
function resolved(value: unknown): unknown {
  if (typeof value === 'string') {
    const found = unresolvedIn(value);
    return found === undefined ? value : new UnreadableText(found);
  }
  if (Array.isArray(value)) return value.map(resolved);
  if (!isObject(value) || value instanceof UnreadableText) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item)]));
}
