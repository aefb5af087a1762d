import { expect, it } from '@jest/globals';
import { nextLink } from '../../../functions/oci/registry/link-header.ts';

it.each([
  ['</v2/a/referrers/x?n=2>; rel="next"', '/v2/a/referrers/x?n=2'],
  ['</a>; rel=next', '/a'],
  ['</a>;rel=next', '/a'],
  ['</a>; REL="Next"', '/a'],
  ['</a>; title="x, <y>; rel=\\"next\\""; rel=prev, </b>; rel="last next"', '/b'],
  ['  </a?x=<>; rel="next"', '/a?x=<'],
  ['</a>; rel="prev"', undefined],
  ['</a>; x="rel=next"', undefined],
  ['</a', undefined],
  ['a; rel="next"', undefined],
  ['', undefined],
  [undefined, undefined],
])('finds the next page in %s', (header, expected) => {
  expect(nextLink(header)).toBe(expected);
});
