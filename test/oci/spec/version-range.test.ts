import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseVersionRange, versionsWithin } from '../../../functions/oci/spec/version-range.ts';

const within = (range: string, ...tags: string[]) => versionsWithin(parseVersionRange(range), tags);

describe('the versions within a range', () => {
  it.each<[string, string[], string[]]>([
    ['^1', ['1.0.0', '1.2.3', '2.0.0', '0.9.0'], ['1.2.3', '1.0.0']],
    ['~1.2', ['1.2.9', '1.2.10', '1.3.0'], ['1.2.10', '1.2.9']],
    ['>=1.2 <2', ['1.1.9', '1.2.0', '1.10.0', '2.0.0'], ['1.10.0', '1.2.0']],
    ['^1||^3', ['1.0.0', '2.0.0', '3.1.0'], ['3.1.0', '1.0.0']],
    ['*', ['0.1.0', '3.0.0'], ['3.0.0', '0.1.0']],
    ['^1', ['v1.2.3', 'v1.3.0', 'V1.4.0'], ['v1.3.0', 'v1.2.3']],
  ])('%s of %j are %j', (range, tags, expected) => {
    expect(within(range, ...tags)).toEqual(expected);
  });

  it('leave out tags that are no plain version', () => {
    const others = [
      'latest',
      '1.2.3-linux-amd64',
      '1.2.3-rc.1',
      'rootless-1.2.3',
      '1',
      '20260131',
      '1.2.3.4',
      '1.x',
      '^1',
    ];
    expect(within('*', ...others)).toEqual([]);
  });

  it('count tags of two numbers, behind the whole version that they may stand for', () => {
    expect(within('^1', '1.2', '1.3', '1.2.0')).toEqual(['1.3', '1.2.0', '1.2']);
  });

  it('compare numbers with zeros in front, and keep the tag as it is', () => {
    expect(within('>=25', '26.08.89806', '26.8.9', '25.10.1', '26.08.89806.minimal')).toEqual([
      '26.08.89806',
      '26.8.9',
      '25.10.1',
    ]);
  });

  it('have one order for every order of the tags', () => {
    const tags = ['1.2', '1.2.0', 'v1.2.0', '01.2.0', '2.0.0'];
    fc.assert(
      fc.property(fc.shuffledSubarray(tags, { minLength: tags.length }), (shuffled) => {
        expect(within('*', ...shuffled)).toEqual(['2.0.0', '01.2.0', '1.2.0', 'v1.2.0', '1.2']);
      }),
    );
  });
});

describe('a text that is no range', () => {
  it.each([
    ['', /neither a tag nor a version range/],
    [' ', /neither a tag nor a version range/],
    ['a b', /neither a tag nor a version range/],
    ['^1.2-rootless', /has a suffix/],
    [`>=1${' '.repeat(200)}`, /longer than 100/],
  ])('refuses the text %j as a range', (text, reason) => {
    expect(() => parseVersionRange(text)).toThrow(reason);
  });
});
