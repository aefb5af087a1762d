import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeText, misplacedIn, TextError } from '../../functions/text/plain-text.ts';

describe('the text of a file', () => {
  it('decodes as UTF-8 without its byte order mark', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((text) => !/^\ufeff|\0/.test(text)),
        (text) => {
          expect(decodeText(Buffer.from(text))).toBe(text);
          expect(decodeText(Buffer.from(`\ufeff${text}`))).toBe(text);
        },
      ),
    );
  });

  it.each([
    ['UTF-16 with a mark', Buffer.from('\ufeff{}', 'utf16le'), 'UTF-16, not UTF-8'],
    ['UTF-16 of the other byte order', Buffer.from('\ufeff{}', 'utf16le').swap16(), 'UTF-16, not UTF-8'],
    ['UTF-16 without a mark', Buffer.from('{}', 'utf16le'), 'UTF-16, not UTF-8'],
    ['Latin-1', Buffer.from('größe', 'latin1'), 'not UTF-8'],
  ])('fails with its encoding when it is %s', (_, bytes, what) => {
    expect(() => decodeText(bytes)).toThrow(new TextError(what));
  });
});

describe('a value', () => {
  it.each([
    ['"sat.a.b.c"', 'a value in quotes'],
    ["'sat.a.b.c'", 'a value in quotes'],
    ['“sat.a.b.c”', 'a value in quotes'],
    ['${KEY}', 'an unexpanded ${…}'],
    ['https://${HOST}/x', 'an unexpanded ${…}'],
    ['$(cat key)', 'an unexpanded $(…)'],
    ['<+secrets.getValue("key")>', 'an unresolved Harness expression (<+…>)'],
    ['{{ harness.key }}', 'an unexpanded {{…}}'],
    ['$KEY', 'an unexpanded $NAME'],
    ['%KEY%', 'an unexpanded %NAME%'],
  ])('%s counts as %s', (value, what) => {
    expect(misplacedIn(value)).toBe(what);
  });

  it.each(['sat.a.b.c', 'a$b', '"', "it's", 'cost$', '50%', 'Europe/Berlin', '0 2 * * ? *', ''])(
    '%j is one',
    (value) => {
      expect(misplacedIn(value)).toBeUndefined();
    },
  );
});
