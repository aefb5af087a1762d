/** The maximum length of a name in characters. Longer texts are not misspelled names and take long to compare. */
const lengthLimit = 200;

/**
 * Lists the names that a misspelled one may stand for, the nearest first. Ignores case and punctuation. Compares lengths
 * before letters, which rules most names out at once.
 */
export function nearest(name: string, names: Iterable<string>, limit = 3): string[] {
  if (name.length > lengthLimit) return [];
  const wanted = letters(name);
  return [...new Set(names)]
    .filter((candidate) => candidate.length <= lengthLimit)
    .map((candidate) => ({
      candidate,
      text: letters(candidate),
      most: Math.floor(candidate.length / 4) + (candidate.length > 3 ? 1 : 0),
    }))
    .filter(({ text, most }) => Math.abs(text.length - wanted.length) <= most)
    .map((each) => ({ ...each, edits: editsBetween(wanted, each.text) }))
    .filter(({ edits, most }) => edits <= most)
    .toSorted((a, b) => a.edits - b.edits)
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

function letters(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** Counts the insertions, deletions and replacements between two texts (Levenshtein distance). */
function editsBetween(a: string, b: string): number {
  // One row of the matrix for each letter of `a`: the edits to each beginning of `b`.
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of a.split('').entries()) {
    let [diagonal, left] = [i, i + 1];
    const below = row.slice(1).map((above, j) => {
      left = Math.min(diagonal + (letter === b[j] ? 0 : 1), above + 1, left + 1);
      diagonal = above;
      return left;
    });
    row = [i + 1, ...below];
  }
  return row.at(-1) ?? 0;
}
