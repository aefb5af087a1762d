/** The error of a text that does not follow its syntax, such as that of a name or an address. The caller adds its place. */
export class TextSyntaxError extends Error {
  override readonly name = 'TextSyntaxError';
}
