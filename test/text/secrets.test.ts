import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FactoryError } from '../../functions/errors.ts';
import { reasonText } from '../../functions/http/reason-text.ts';
import { keepPassword, keepSecret, keepToken, withoutSecrets } from '../../functions/text/secrets.ts';

/** The forms in which a server could echo a secret. */
const echoes: Record<string, (secret: string) => string> = {
  'as it is': (secret) => secret,
  'in JSON': (secret) => JSON.stringify({ error: secret }),
  'in JSON in JSON': (secret) => JSON.stringify({ cause: JSON.stringify({ error: secret }) }),
  'in a URL': (secret) => `https://x.example/?a=${encodeURIComponent(secret)}`,
  'in a form': (secret) => new URLSearchParams({ password: secret }).toString(),
  'in a URL, in small letters': (secret) =>
    encodeURIComponent(secret).replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  'in HTML': (secret) =>
    secret
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;'),
  'in Base64': (secret) => Buffer.from(secret).toString('base64'),
  'in Base64 for URLs': (secret) => Buffer.from(secret).toString('base64url'),
};

/** Letters that every notation treats in its own way. */
const secretText = fc.string({
  unit: fc.constantFrom(...'abcXYZ019 +/=&<>"\'\\%?@:é€\n'.split('')),
  minLength: 12,
  maxLength: 30,
});

describe.each(Object.entries(echoes))('a secret that is echoed %s', (_, echo) => {
  it('disappears from text', () => {
    fc.assert(
      fc.property(secretText, (secret) => {
        keepSecret(secret);
        expect(withoutSecrets(`before (${echo(secret)}) after`)).not.toContain(echo(secret));
      }),
      { numRuns: 50, interruptAfterTimeLimit: 3_000 },
    );
  });

  it('appears in no error', () => {
    const secret = 'corr"ect hörse & <battery>/staple';
    keepSecret(secret);
    const said = echo(secret);
    const { message, hint, problems } = new FactoryError('RegistryFailed', `it said ${said}`, {
      hint: `do not repeat ${said}`,
      problems: [{ path: `$.${said}`, found: said, allowed: 'x', reason: said }],
    });
    for (const shown of [message, hint, JSON.stringify(problems)]) {
      expect(shown).toMatch(/\*{3}|…/);
      for (const word of ['hörse', 'battery', 'staple', said]) expect(shown).not.toContain(word);
    }
  });
});

describe('a password', () => {
  beforeEach(() => keepPassword('ada', 'tr0ub4dor'));

  it('disappears alone, in the URL of a login, and in the form of a header', () => {
    const header = Buffer.from('ada:tr0ub4dor').toString('base64');
    expect(withoutSecrets('tr0ub4dor')).toBe('***');
    expect(withoutSecrets('https://ada:tr0ub4dor@r.example')).toBe('https://ada:***@r.example');
    expect(withoutSecrets(`Authorization: Basic ${header}`)).not.toContain(header.replaceAll('=', ''));
  });

  it('disappears from the reasons in a body, however the body escapes it', () => {
    const spelt = 'tr0ub4dor'
      .split('')
      .map((letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
      .join('');
    const { text } = reasonText(`{"errors":[{"code":"DENIED","message":"not ${spelt}"}]}`, 'application/json');
    expect(text).toBe('DENIED: not ***');
  });

  it('disappears before a text is cut', () => {
    const { text } = reasonText(JSON.stringify({ message: `${'x'.repeat(295)} tr0ub4dor` }), 'application/json');
    expect(text).not.toContain('tr0');
  });

  it('disappears as a word only if it has few letters', () => {
    keepPassword('bob', 'horse');
    expect(withoutSecrets('the horse of seahorse and horses (horse)')).toBe('the *** of seahorse and horses (***)');
  });

  it('disappears only together with its user if it has very few letters', () => {
    keepPassword('eve', 'pw');
    expect(withoutSecrets('pw')).toBe('pw');
    expect(withoutSecrets(Buffer.from('eve:pw').toString('base64'))).toBe('***');
  });
});

it('keeps the newest tokens, and keeps credentials after any number of tokens', () => {
  keepSecret('long-lived-credential');
  for (let n = 0; n < 2_000; n++) keepToken(`token-number-${n}.`);
  expect(withoutSecrets('token-number-1999. long-lived-credential')).toBe('*** ***');
  expect(withoutSecrets('token-number-3.')).toBe('token-number-3.');
});
