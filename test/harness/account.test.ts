import { describe, expect, it } from '@jest/globals';
import { accountIdFromKey } from '../../functions/harness/account.ts';
import { HarnessClient } from '../../functions/harness/client.ts';

describe('the account of a key', () => {
  it.each(['pat', 'sat'])('reads the account from the second part of a %s token', (kind) => {
    expect(accountIdFromKey(`${kind}.AbC-1_x.token.secret`)).toBe('AbC-1_x');
  });

  it('finds the account behind blanks and a newline', () => {
    expect(accountIdFromKey(' sat.acct1.id.secret\n')).toBe('acct1');
  });

  it.each([
    '',
    'pat.token.secret',
    'xat.acct1.id.secret',
    'pat..id.secret',
    'pat.acct1.id.',
    'pat.a.b.c.d',
    'pat.a b.c.d',
  ])('finds no account in %j', (key) => {
    expect(accountIdFromKey(key)).toBeUndefined();
  });
});

describe('the account of a client', () => {
  const url = 'https://app.harness.io';

  it('comes from the key', () => {
    expect(new HarnessClient({ url, apiKey: 'pat.acct1.id.secret' }).accountId).toBe('acct1');
  });

  it('prefers the configured account where both are known', () => {
    expect(new HarnessClient({ url, apiKey: 'pat.acct1.id.secret', accountId: 'acct2' }).accountId).toBe('acct2');
  });

  it('demands an account when neither key nor setting has one', () => {
    expect(() => new HarnessClient({ url, apiKey: 'opaque-token' })).toThrow(
      expect.objectContaining({
        name: 'InvalidConfiguration',
        problems: [expect.objectContaining({ path: 'HARNESS_ACCOUNT_ID' })],
      }),
    );
  });

  it.each(['', '  \n', 'pat.acct1.id.se cret', 'pat.acct1.id.se\ncret', 'pat.acct1.id.secrét'])(
    'refuses %j as a key, without repeating it',
    (apiKey) => {
      let thrown: unknown;
      try {
        new HarnessClient({ url, apiKey, accountId: 'acct1' });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ name: 'InvalidConfiguration', problems: [{ path: 'HARNESS_API_KEY' }] });
      if (apiKey.trim()) expect(JSON.stringify(thrown)).not.toContain(JSON.stringify(apiKey).slice(1, -1));
    },
  );
});
