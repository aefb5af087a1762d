/** Bytes or a value that is not the text it should be. The message says what it is instead: "UTF-16, not UTF-8". */
export class TextError extends Error {}

/** Decodes UTF-8, with or without a byte order mark. Throws `TextError`. */
export function decodeText(bytes: Uint8Array): string {
  // Windows PowerShell redirects output, and Notepad saves "Unicode", as UTF-16.
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff) || bytes.includes(0))
    throw new TextError('UTF-16, not UTF-8');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new TextError('not UTF-8');
  }
}
