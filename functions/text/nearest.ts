/** The maximum length of a name in characters. Longer texts are not misspelled names and take long to compare. */
const lengthLimit = 200;

/** Lists the names that a misspelled one may stand for, the nearest first. Ignores case and punctuation. */
export function nearest(name: string, names: Iterable<string>, limit = 3): string[] {
  if (name.length > lengthLimit) return [];
  const wanted = letters(name);
  return [...new Set(names)]
    .filter((candidate) => candidate.length <= lengthLimit)
    .map((candidate) => ({ candidate, edits: editsBetween(wanted, letters(candidate)) }))
    .filter(({ candidate, edits }) => edits <= Math.floor(candidate.length / 4) + (candidate.length > 3 ? 1 : 0))
    .toSorted((a, b) => a.edits - b.edits)
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

function letters(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** Counts the insertions, deletions and replacements between two texts (Levenshtein distance). */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (above[j] as number) + 1, (row[j - 1] as number) + 1));
    }
  }
  return row[b.length] as number;
}
