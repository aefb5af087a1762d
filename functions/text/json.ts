/** Levels of the deepest document that is read; registries, Harness and people stay below twenty. */
const depthLimit = 100;

/**
 * Parses JSON from outside. Throws `SyntaxError` also for values that are nested deeper than any document: later steps
 * go down level by level, and a deep value would exhaust their stack.
 */
export function parseJson(text: string): unknown {
  if (depthOf(text) > depthLimit) throw new SyntaxError(`the JSON is nested deeper than ${depthLimit} levels`);
  return JSON.parse(text);
}

/** Counts brackets outside of strings, in one pass. */
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
