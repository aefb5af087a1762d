import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { redacted } from '../../functions/http/redact.ts';
import { bearerToken, Tokens } from '../../functions/webhook/tokens.ts';

const current = 'current-token-0123456789';
const previous = 'previous-token-0123456789';
const both = JSON.stringify({ current, previous });

/** Tokens whose secret and clock a test can change. */
function scene(secret: string) {
  const state = { secret, now: 1_000_000, reads: 0 };
  const tokens = new Tokens(
    async () => {
      state.reads++;
      return state.secret;
    },
    () => state.now,
  );
  return { state, accept: (token: string) => tokens.accept(token) };
}

describe('the token of a header', () => {
  it.each([
    [`Bearer ${current}`, current],
    [`bearer   ${current}`, current],
    ['Bearer abc.def-ghi_jkl~mno+pqr/stu==', 'abc.def-ghi_jkl~mno+pqr/stu=='],
  ])('finds a token in %j', (header, token) => expect(bearerToken(header)).toBe(token));

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    current,
    `Basic ${current}`,
    `Bearer ${current}, Bearer ${current}`,
    `Bearer ${current} more`,
    `Bearer ${'x'.repeat(513)}`,
    // What a delegate sends in its probes for a secret.
    'Bearer <<<webhook_token>>>',
    '<<<webhook_token>>>',
    'Bearer <+secrets.getValue("webhook_token")>',
    `Bearer ${current}\n`,
  ])('finds no token in %j', (header) => expect(bearerToken(header)).toBeUndefined());
});

describe('tokens', () => {
  it.each([
    ['text', current],
    ['the current one alone', JSON.stringify({ current })],
    ['the current and the previous one', both],
    ['an emptied previous one', JSON.stringify({ current, previous: '' })],
  ])('accepts the tokens of a secret that holds %s', async (_, secret) => {
    const { accept } = scene(secret);
    expect(await accept(current)).toBe(true);
  });

  it('accepts the previous one too', async () => {
    expect(await scene(both).accept(previous)).toBe(true);
  });

  it('accepts nothing but what the secret holds', async () => {
    const { accept } = scene(both);
    const near = fc.oneof(
      fc.string(),
      fc.nat(current.length).map((length) => current.slice(0, length)),
      fc.string({ minLength: 1 }).map((more) => current + more),
      fc.constantFrom(both, current.toUpperCase(), `${current}=`, 'undefined', 'null', '[object Object]'),
    );
    await fc.assert(
      fc.asyncProperty(near, async (token) => {
        expect(await accept(token)).toBe(token === current || token === previous);
      }),
    );
  });

  it.each([
    ['nothing of use', '{}'],
    ['an empty token', '{"current": ""}'],
    ['a token that could be guessed', '{"current": "letmein"}'],
    ['a token that is no text', '{"current": 12345678901234567890}'],
    ['broken JSON', '{"current": "current-token-0123456789"'],
    ['a token that no header can carry', '{"current": "letmein-letmein-$!"}'],
    ['such a token as text', 'letmein letmein letmein'],
    ['a good token and one that no header can carry', `{"current": "letmein-letmein-%", "previous": "${previous}"}`],
    ['a token that is too long', JSON.stringify({ current: 'letmein'.repeat(74) })],
  ])('refuses a secret that holds %s, without showing it', async (_, secret) => {
    const failure: unknown = await scene(secret)
      .accept('')
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'InvalidConfiguration', hint: expect.stringContaining('current') });
    expect(JSON.stringify(failure)).not.toMatch(/letmein|0123456789/);
  });

  it('says which one is of no use, and what one is made of', async () => {
    const secret = JSON.stringify({ current, previous: 'letmein-letmein-!' });
    await expect(scene(secret).accept(current)).rejects.toMatchObject({
      message: 'the secret of the webhook holds no usable previous token',
      hint: expect.stringContaining('letters, digits and - . _ ~ + /'),
    });
  });

  it('finds every valid token in a header', async () => {
    const unit = fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '-', '.', '_', '~', '+', '/');
    const tokens = fc.tuple(fc.string({ unit, minLength: 16, maxLength: 512 }), fc.constantFrom('', '=', '=='));
    await fc.assert(
      fc.asyncProperty(tokens, async (parts) => {
        const token = parts.join('');
        expect(await scene(JSON.stringify({ current: token })).accept(bearerToken(`Bearer ${token}`) ?? '')).toBe(true);
      }),
    );
  });

  it('says so when there is none', async () => {
    await expect(scene('{}').accept(current)).rejects.toThrow('the secret of the webhook holds no token');
  });

  it('redacts known tokens', async () => {
    await scene(JSON.stringify({ current: 'shown-nowhere-0123456789' })).accept('');
    expect(redacted('Harness sent shown-nowhere-0123456789')).not.toContain('0123456789');
  });
});

describe('rotation', () => {
  it('takes effect without a moment in which neither token is good', async () => {
    const { state, accept } = scene(JSON.stringify({ current: previous }));
    expect(await accept(previous)).toBe(true);
    state.now += 5_000;
    state.secret = both;
    // Harness has the new one already, this sandbox has not.
    expect(await accept(current)).toBe(true);
    expect(await accept(previous)).toBe(true);
    state.now += 60_000;
    state.secret = JSON.stringify({ current });
    expect(await accept(current)).toBe(true);
    expect(await accept(previous)).toBe(false);
  });

  it('takes a withdrawn token for a minute at most', async () => {
    const { state, accept } = scene(both);
    expect(await accept(previous)).toBe(true);
    state.secret = JSON.stringify({ current });
    state.now += 59_999;
    expect(await accept(previous)).toBe(true);
    state.now += 1;
    expect(await accept(previous)).toBe(false);
  });

  it('reads the secret once a minute for good tokens, and every five seconds for bad ones', async () => {
    const { state, accept } = scene(both);
    for (let n = 0; n < 50; n++) await accept(current);
    expect(state.reads).toBe(1);
    for (let n = 0; n < 50; n++) await accept('a guess');
    expect(state.reads).toBe(1);
    state.now += 5_000;
    for (let n = 0; n < 50; n++) await accept('a guess');
    expect(state.reads).toBe(2);
  });

  it('tries again after a failure', async () => {
    const { state, accept } = scene('{}');
    await expect(accept(current)).rejects.toMatchObject({ name: 'InvalidConfiguration' });
    state.secret = both;
    expect(await accept(current)).toBe(true);
  });
});
