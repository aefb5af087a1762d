import fc from 'fast-check';

/** A code point of any plane, more often of ASCII, and no half of a pair. */
const codePoint = fc.oneof(
  fc.integer({ min: 0, max: 0x7f }),
  fc.integer({ min: 0x80, max: 0xd7ff }),
  fc.integer({ min: 0xe000, max: 0x10ffff }),
);

/** Any text that UTF-8 can encode. `fc.string({ unit: 'binary' })` takes a second to list all code points. */
export function anyText(limits: { maxLength?: number } = {}): fc.Arbitrary<string> {
  return fc.array(codePoint, limits).map((points) => String.fromCodePoint(...points));
}
