/** The maximum nesting depth. Documents of registries, Harness and people stay below twenty levels. */
const depthLimit = 100;

/**
 * Parses untrusted JSON. Later steps recurse into the value, and a deeply nested one would exhaust their stack.
 *
 * @throws {SyntaxError} for invalid JSON and for JSON that is nested too deeply.
 */
export function parseJson(text: string): unknown {
  if (depthOf(text) > depthLimit) throw new SyntaxError(`the JSON is nested deeper than ${depthLimit} levels`);
  return JSON.parse(text);
}

/** Tests whether a value of JSON is an object: neither a list nor `null`. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns an object without the members that are `null`. */
export function withoutNulls(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

/** Counts brackets outside strings in one pass. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth--;
  }
  return deepest;
}
