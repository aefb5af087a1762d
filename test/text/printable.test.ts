import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FactoryError } from '../../functions/errors.ts';
import { printable, printableJson } from '../../functions/text/printable.ts';
import { anyText } from './any-text.ts';

const dangerous = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const longText = anyText({ maxLength: 1_000 });

describe('printable text', () => {
  it('consists of one line within its limit, without characters that control, hide or reorder', () => {
    fc.assert(
      fc.property(longText, fc.integer({ min: 1, max: 400 }), (text, limit) => {
        expect(printable(text, limit)).not.toMatch(dangerous);
        expect(printable(text, limit).length).toBeLessThanOrEqual(limit);
      }),
    );
  });

  it.each([
    ['an escape sequence', 'x\u001b[2K:1', 'x [2K:1'],
    ['a control character of eight bits', 'x\u009b2Ky', 'x 2Ky'],
    ['a line break', 'x\r\nWarning: forged', 'x Warning: forged'],
    ['a line separator', 'x\u2028y', 'x y'],
    ['a bidirectional override', 'x\u202ey\u2066z', 'x y z'],
    ['a zero-width space', 'ci\u200b-addon', 'ci -addon'],
    ['tag characters', 'x\u{e0041}\u{e0042}y', 'x y'],
    ['a lone surrogate', 'x\ud800y', 'x y'],
  ])('shows %s as a blank', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('keeps letters of any script, signs and emoji', () => {
    const text = 'größe → "ци" 画像 🏭 https://a.example/x?y';
    expect(printable(text)).toBe(text);
  });

  it('ends with an ellipsis where it was cut, and never with half a character', () => {
    expect(printable('🏭'.repeat(9), 4)).toBe('🏭…');
  });
});

describe('printable JSON', () => {
  it('contains no unprintable character except line breaks, and parses to the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(longText, longText), (value) => {
        const json = printableJson(value);
        expect(json.replaceAll('\n', '')).not.toMatch(dangerous);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

it('makes an error printable with its hint and its problems', () => {
  const bad = 'a\u001b[1Ab\u202ec';
  const problems = [{ path: bad, found: bad, allowed: bad }];
  const error = new FactoryError('InvalidInput', bad, { hint: bad, problems });
  expect(
    Object.values(error.toJSON())
      .flat()
      .map((value: unknown) => JSON.stringify(value))
      .join(),
  ).not.toMatch(/\\u001b|\u202e/);
});
