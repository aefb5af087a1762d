/**
 * Text without the `characters` at its end. A pattern such as `/\/+$/` looks for its match from each of them, which
 * takes a time that grows with the square of their number.
 */
export function trimEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
