import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseChallenges } from '../../../functions/oci/registry/auth/challenge.ts';

const bearer = { scheme: 'bearer', parameters: { realm: 'https://auth.io/token', service: 's' } };

describe('the challenges of a 401', () => {
  it.each([
    ['Bearer realm="https://auth.io/token",service="s"', [bearer]],
    ['BEARER Realm = "https://auth.io/token" ,  SERVICE=s', [bearer]],
    ['\t Bearer\trealm="https://auth.io/token",\tservice="s" ', [bearer]],
    ['Bearer realm="https://auth.io/token",,service="s",', [bearer]],
    [', ,Bearer realm="https://auth.io/token", ,service="s"', [bearer]],
    ['Basic realm="x", Bearer realm="https://auth.io/token",service="s"', [basic('x'), bearer]],
    ['Bearer realm="https://auth.io/token",service="s", Basic realm="x"', [bearer, basic('x')]],
    ['Basic, Bearer realm="https://auth.io/token",service="s"', [{ scheme: 'basic', parameters: {} }, bearer]],
    ['Basic', [{ scheme: 'basic', parameters: {} }]],
    ['Negotiate YWJj==, Basic realm="x"', [{ scheme: 'negotiate', parameters: {} }, basic('x')]],
    [
      'NTLM, Negotiate, Basic realm="x"',
      [{ scheme: 'ntlm', parameters: {} }, { scheme: 'negotiate', parameters: {} }, basic('x')],
    ],
    ['Basic realm="a, Bearer realm=\\"b\\""', [basic('a, Bearer realm="b"')]],
    ['Basic realm="a\\\\b"', [basic('a\\b')]],
    ['Basic realm=""', [basic('')]],
    [
      'Bearer realm="r",scope="repository:a/b:pull,push repository:c:pull",error="insufficient_scope"',
      [
        {
          scheme: 'bearer',
          parameters: { realm: 'r', scope: 'repository:a/b:pull,push repository:c:pull', error: 'insufficient_scope' },
        },
      ],
    ],
  ])('parses %j', (header, expected) => {
    expect(parseChallenges(header)).toEqual(expected);
  });

  it.each([undefined, '', ' ', ',', '"', '=', 'realm="x"', 'Bearer realm="unclosed', '=== Basic'])(
    '%j hold no realm',
    (header) => {
      expect(parseChallenges(header).filter(({ parameters }) => 'realm' in parameters)).toEqual([]);
    },
  );

  it('parses any challenges that a server may send', () => {
    const name = fc.stringMatching(/^[a-z]{1,8}$/);
    const value = fc.string({ unit: 'grapheme-ascii' });
    const space = fc.constantFrom('', ' ', '\t', '  ');
    const challenge = fc.record({
      scheme: name,
      parameters: fc.uniqueArray(fc.tuple(name, value), { minLength: 1, maxLength: 3, selector: ([n]) => n }),
    });
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 3 }), space, (challenges, s) => {
        const quote = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
        const text = challenges.map(
          ({ scheme, parameters }) =>
            `${scheme} ${s}${parameters.map(([n, v]) => `${n}${s}=${s}${quote(v)}`).join(`${s},${s}`)}`,
        );
        expect(parseChallenges(text.join(`${s},${s}`))).toEqual(
          challenges.map(({ scheme, parameters }) => ({ scheme, parameters: Object.fromEntries(parameters) })),
        );
      }),
    );
  });

  it('neither throws nor hangs on garbage', () => {
    const garbage = fc.stringMatching(/^[aB=",\\ \t;/]{0,300}$/);
    fc.assert(fc.property(garbage, (header) => expect(Array.isArray(parseChallenges(header))).toBe(true)));
    for (const piece of [' ', 'a', 'a ', 'a=', '"', 'a="', '\\"', ',', ' ,', '=', 'a=a,', 'a=a ']) {
      expect(Array.isArray(parseChallenges(`Bearer ${piece.repeat(20_000)}!`))).toBe(true);
    }
  });
});

function basic(realm: string): { scheme: string; parameters: { realm: string } } {
  return { scheme: 'basic', parameters: { realm } };
}
