import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { ambiguousIn, parseYaml, printYaml } from '../../../functions/harness/objects/yaml.ts';

describe('the YAML of objects', () => {
  const odd = fc.constantFrom(
    'yes',
    'no',
    'on',
    'off',
    'y',
    'N',
    'true',
    '~',
    'null',
    '=',
    '<<',
    '2026-01-01',
    '12:30',
    '010',
  );
  const text = fc.oneof(odd, fc.string({ maxLength: 8 }), fc.stringMatching(/^[0-9._:+-]{1,8}$/));

  it('means the same in YAML 1.1 and 1.2 when we print it', () => {
    fc.assert(
      fc.property(fc.dictionary(text, text, { noNullPrototype: true }), (document) => {
        const yaml = printYaml(document);
        expect(ambiguousIn(yaml)).toEqual([]);
        expect(parseYaml(yaml)).toEqual(document);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a: yes', '$.a'],
    ['a: { b: [1, 12:30] }', '$.a.b[1]'],
    ['a: 2026-01-01', '$.a'],
    ['on: 1', '$'],
  ])('means two things in %s', (yaml, path) => {
    expect(ambiguousIn(yaml).map((place) => place.path)).toEqual([path]);
  });

  it.each(['a: "yes"', 'a: 10m', 'a: 0 2 * * *', 'a: <+input>.default(false)', 'a: v1.2'])(
    'means one thing in %s',
    (yaml) => {
      expect(ambiguousIn(yaml)).toEqual([]);
    },
  );

  it.each([
    ['too long', `a: ${'x'.repeat(1024 * 1024)}`],
    ['too deep', '['.repeat(50_000)],
    ['a key twice', 'a: 1\na: 2'],
  ])('has no value when it is %s', (_, yaml) => {
    expect(parseYaml(yaml)).toBeUndefined();
  });
});
