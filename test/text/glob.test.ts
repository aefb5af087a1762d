import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import picomatch from 'picomatch';
import { globMatcher, isGlob } from '../../functions/text/glob.ts';
import { isLike } from '../../functions/text/wildcard.ts';

const matches = (glob: string, name: string) => globMatcher([glob])(name);

describe('a glob', () => {
  it.each([
    ['buildAndPush*', 'buildAndPushECRTag', true],
    ['buildAndPush*', 'addonTag', false],
    ['*Tag', 'addonTag', true],
    ['*Tag', 'addonTagRootless', false],
    ['plugins/*', 'plugins/kaniko', true],
    ['plugins/*', 'plugins/kaniko/x', false],
    ['plugins/**', 'plugins/kaniko/x', true],
    ['plugins/**', 'plugins', true],
    ['plugins/**', 'pluginsx', false],
    ['**/kaniko', 'kaniko', true],
    ['**/kaniko', 'a/b/kaniko', true],
    ['**/kaniko', 'a/bkaniko', false],
    ['**', 'a/b', true],
    ['a**b', 'axb', true],
    ['a**b', 'a/b', false],
    ['addon?ag', 'addonTag', true],
    ['addon?ag', 'addon/ag', false],
    ['{addon,liteEngine}Tag*', 'liteEngineTagRootless', true],
    ['{addon,liteEngine}Tag', 'gitCloneTag', false],
    ['{a,b{c,d}}', 'bd', true],
    ['{a,}b', 'b', true],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[^a-c]x', 'dx', true],
    ['[a-]x', '-x', true],
    [String.raw`a\*`, 'a*', true],
    [String.raw`a\*`, 'ab', false],
    ['a.b', 'axb', false],
    ['addonTag', 'AddonTag', false],
  ])('%s matches %s: %s', (glob, name, expected) => {
    expect(matches(glob, name)).toBe(expected);
  });

  it.each(['{a', 'a}', '[a', 'a]', '+(a)', 'a|b', '\\', 'a'.repeat(257)])('rejects %s', (text) => {
    expect(isGlob(text)).toBe(false);
    expect(() => globMatcher([text])).toThrow(TypeError);
  });

  it('matches no name that is longer than names may be', () => {
    expect(matches('*', 'a'.repeat(1_024))).toBe(true);
    expect(matches('*', 'a'.repeat(1_025))).toBe(false);
  });

  it('matches what picomatch matches', () => {
    const part = fc.constantFrom('a', 'b', 'ab', '*', '?', '{a,b}', '{ab,b}', '[ab]', '[^a]');
    const globs = fc.array(
      fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('')),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    const names = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(globs, names, (segments, name) => {
        const glob = segments.join('/').replaceAll(/\*{2,}/g, '*');
        expect([glob, name.join('/'), matches(glob, name.join('/'))]).toEqual([
          glob,
          name.join('/'),
          picomatch.isMatch(name.join('/'), glob),
        ]);
      }),
      { numRuns: 2_000, interruptAfterTimeLimit: 5_000 },
    );
  });
});

describe('a filter of ECR', () => {
  it.each([
    ['*', 'any', true],
    ['prod*', 'prod/a', true],
    ['*prod', 'a/prod', true],
    ['*a*b*', 'xaxbx', true],
    ['*a*b*', 'xbxax', false],
    ['ab*ba', 'aba', false],
    ['a', 'a', true],
    ['a', 'ab', false],
  ])('%s matches %s: %s', (pattern, text, expected) => {
    expect(isLike(text, pattern)).toBe(expected);
  });
});
