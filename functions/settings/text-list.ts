import { parseJson } from '../text/json.ts';

/**
 * Returns the items of a list that is written as one text: a JSON list, or items with commas between them. A comma
 * between brackets belongs to its item, as in the glob `{addon,lite}*`. Returns a text without items unchanged.
 */
export function itemsOf(text: string): unknown[] | string {
  if (/^\[[^]*\]$/.test(text)) {
    try {
      return parseJson(text) as unknown[];
    } catch {
      // A glob may begin with a bracket: [a-c]*Tag,[d-f]
    }
  }
  const items = splitAtCommas(text)
    .map((item) => item.trim())
    .filter(Boolean);
  return items.length > 0 ? items : text;
}

function splitAtCommas(text: string): string[] {
  const items: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if ('{['.includes(character)) depth++;
    else if ('}]'.includes(character)) depth--;
    else if (character === ',' && depth <= 0) {
      items.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...items, text.slice(start)];
}
