/** Returns the one of `words` that a text spells, in any case; `undefined` for other text. */
export function wordIn<const T>(words: readonly T[], text: string): T | undefined {
  return words.find((word) => String(word).toLowerCase() === text.toLowerCase());
}
