import { describe, expect, it } from '@jest/globals';
import { apply, explanationOf, mutantsOf } from './mutants.ts';

const all = (source: string) => mutantsOf(source).map((mutant) => apply(source, mutant));

describe('mutantsOf', () => {
  it.each<[string, string, string[]]>([
    ['conditions', 'if (a) b();', ['if (true) b();', 'if (false) b();', 'if (a) ;']],
    [
      'operators',
      'f = x === y && z < 3;',
      ['f = x !== y && z < 3;', 'f = x === y || z < 3;', 'f = x === y && z <= 3;', 'f = x === y && z < 4;'],
    ],
    ['negations', 'f = !x;', ['f = x;']],
    ['defaults', 'f = x ?? y;', ['f = x;']],
    ['awaited calls', 'await f(x);', [';']],
    ['filters', 'f = xs.filter(odd);', ['f = xs.slice();']],
    ['quantifiers', 'f = xs.some(odd);', ['f = xs.every(odd);']],
    ['booleans', 'f = true;', ['f = false;']],
  ])('changes %s', (_, source, expected) => {
    expect(all(source).toSorted()).toEqual(expected.toSorted());
  });

  it('leaves texts and types alone', () => {
    expect(all(`type A = { b: true }; const c: A['b'] | 1 = 'a' + d;`)).toEqual([]);
  });

  it('counts bytes, not characters, also after an earlier parse', () => {
    expect(all(`// ä — “quoted”\nf = 'ü' === x;`)).toEqual([`// ä — “quoted”\nf = 'ü' !== x;`]);
  });

  it('finds the explanation of a survivor on its line or above', () => {
    const source = '// Survives mutation: only faster.\nf = !x;\n\nf = !y;';
    expect(mutantsOf(source).map((mutant) => explanationOf(source, mutant))).toEqual(['only faster.', undefined]);
  });
});
