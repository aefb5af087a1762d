import { parseDocument } from 'yaml';

/** Maximum length of a document, in characters. A pipeline of the factory has ten thousand. */
const lengthLimit = 1024 * 1024;

/**
 * Parses the YAML of one object. Returns `undefined` for text that is not YAML, has a key twice, or is too long: Harness
 * stores what people write.
 */
export function parseYaml(text: string): unknown {
  if (text.length > lengthLimit) return undefined;
  try {
    const document = parseDocument(text, { logLevel: 'silent' });
    return document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 20 }) as unknown);
  } catch {
    // Deep nesting exhausts the stack, and aliases may expand without end.
    return undefined;
  }
}
