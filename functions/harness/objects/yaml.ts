import { isDeepStrictEqual } from 'node:util';
import { parseDocument, stringify } from 'yaml';
import { isObject } from '../../text/json.ts';

/** Maximum length of a document, in characters. A pipeline of the factory has ten thousand. */
const lengthLimit = 1024 * 1024;

/**
 * Parses the YAML of one object. Returns `undefined` for text that is not YAML, has a key twice, or is too long: Harness
 * stores what people write.
 */
export function parseYaml(text: string, version: '1.1' | '1.2' = '1.2'): unknown {
  if (text.length > lengthLimit) return undefined;
  try {
    const document = parseDocument(text, { logLevel: 'silent', version });
    return document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 20 }) as unknown);
  } catch {
    // Deep nesting exhausts the stack, and aliases may expand without end.
    return undefined;
  }
}

/** Writes YAML that versions 1.1 and 1.2 read alike: texts such as `yes` and `12:30` in quotes. */
export function printYaml(document: object): string {
  return stringify(document, { compat: 'yaml-1.1', lineWidth: 0, aliasDuplicateObjects: false });
}

/**
 * Returns the places whose values differ between YAML 1.2 and YAML 1.1, such as an unquoted `yes`. Harness reads YAML
 * with Java's libraries, which follow 1.1.
 */
export function ambiguousIn(text: string): { path: string; value: unknown }[] {
  return differences(parseYaml(text), parseYaml(text, '1.1'), '$');
}

function differences(one: unknown, other: unknown, path: string): { path: string; value: unknown }[] {
  if (isDeepStrictEqual(one, other)) return [];
  if (Array.isArray(one) && Array.isArray(other) && one.length === other.length)
    return one.flatMap((item: unknown, index) => differences(item, other[index], `${path}[${index}]`));
  if (isObject(one) && isObject(other) && isDeepStrictEqual(Object.keys(one), Object.keys(other)))
    return Object.keys(one).flatMap((key) => differences(one[key], other[key], `${path}.${key}`));
  return [{ path, value: one }];
}
