/** Bytes that are not UTF-8. The message names the encoding that was found: "UTF-16, not UTF-8". */
export class TextError extends Error {}

/** Decodes UTF-8 with or without a byte order mark. Throws `TextError`. */
export function decodeText(bytes: Uint8Array): string {
  const plain = withoutMark(bytes);
  // UTF-16 without a byte order mark.
  if (plain.includes(0)) throw utf16();
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(plain);
  } catch {
    throw new TextError('not UTF-8');
  }
}

/** Removes the byte order mark of UTF-8. Throws `TextError` for that of UTF-16. */
export function withoutMark<T extends Uint8Array>(bytes: T): T | Uint8Array {
  // Windows PowerShell redirects output, and Notepad saves "Unicode", as UTF-16.
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) throw utf16();
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

function utf16(): TextError {
  return new TextError('UTF-16, not UTF-8');
}

const placeholders: readonly (readonly [pattern: RegExp, shown: string])[] = [
  [/\$\{/, 'an unexpanded ${…}'],
  [/\$\(/, 'an unexpanded $(…)'],
  [/\{\{/, 'an unexpanded {{…}}'],
  [/^\$[A-Za-z_]\w*$/, 'an unexpanded $NAME'],
  [/^%\w+%$/, 'an unexpanded %NAME%'],
];
const quotes: ReadonlySet<string> = new Set(['""', "''", '``', '“”', '‘’', '„“', '«»']);

/** Describes quotes around a value, or a placeholder, without quoting it; `undefined` for a plain value. */
export function misplacedIn(value: string): string | undefined {
  // `docker run --env-file` keeps the quotes as part of the value.
  if (value.length > 1 && quotes.has(value.slice(0, 1) + value.slice(-1))) return 'a value in quotes';
  return unresolvedIn(value) ?? placeholders.find(([pattern]) => pattern.test(value))?.[1];
}

/**
 * Describes text that Harness left in place of a value: an expression that it did not resolve, or the `null` of an
 * expression without a value. Returns `undefined` for other text.
 */
export function unresolvedIn(value: string): string | undefined {
  if (value.includes('<+')) return 'an unresolved Harness expression (<+…>)';
  return value === 'null' ? '"null", the text of a Harness expression without a value' : undefined;
}
