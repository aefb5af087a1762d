/**
 * Text of a registry's making as it may stand in our messages: one line, bounded, without what could drive a terminal
 * or turn the order of letters.
 */
export function printable(text: string): string {
  return text
    .slice(0, 2_000)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 300);
}
