/** Lines around a change that are shown with it. */
const context = 2;

/**
 * Returns the lines that differ between two texts, each with its sign, and the lines around them. `@` stands for a gap.
 */
export function lineDiff(before: string, after: string): string[] {
  const [old, next] = [linesOf(before), linesOf(after)];
  const lengths = commonLengths(old, next);
  const lines: { sign: ' ' | '-' | '+'; text: string }[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < next.length) {
    const [removed, added] = [old[i], next[j]];
    if (removed !== undefined && removed === added) {
      lines.push({ sign: ' ', text: removed });
      i++;
      j++;
    } else if (added === undefined || (removed !== undefined && lengthAt(i + 1, j) >= lengthAt(i, j + 1))) {
      lines.push({ sign: '-', text: removed ?? '' });
      i++;
    } else {
      lines.push({ sign: '+', text: added });
      j++;
    }
  }
  const near = (index: number) =>
    lines.slice(Math.max(0, index - context), index + context + 1).some(({ sign }) => sign !== ' ');
  return lines.flatMap(({ sign, text }, index) => {
    if (near(index)) return [`${sign} ${text}`];
    return index > 0 && near(index - 1) && lines.slice(index).some((_, rest) => near(index + rest)) ? ['@'] : [];
  });

  function lengthAt(at: number, other: number): number {
    return lengths[at]?.[other] ?? 0;
  }
}

/** Returns the lengths of the longest common subsequences of the rests of two lists. */
function commonLengths(old: readonly string[], next: readonly string[]): number[][] {
  const lengths = Array.from({ length: old.length + 1 }, () => Array<number>(next.length + 1).fill(0));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = next.length - 1; j >= 0; j--) {
      const [row, below] = [lengths[i] ?? [], lengths[i + 1] ?? []];
      row[j] = old[i] === next[j] ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
  return lengths;
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}
