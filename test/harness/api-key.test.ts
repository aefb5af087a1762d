import { describe, expect, it } from '@jest/globals';
import { ApiKey } from '../../functions/harness/api-key.ts';

const key = 'sat.account.token.hunter2222';

describe('an API key', () => {
  it.each([key, `${key}\n`, ` \ufeff${key} `, 'an.opaque-token_of/another+kind='])(
    '%j is sent without what is around it',
    (text) => {
      expect(new ApiKey(text).headers()).toEqual({ 'x-api-key': text.trim() });
    },
  );

  it.each([
    [`"${key}"`, 'a value in quotes'],
    ['${HARNESS_API_KEY}', 'an unexpanded ${…}'],
    [`Bearer ${key}`, 'a key after "Bearer"'],
    [`x-api-key: ${key}`, 'a key after "x-api-key:"'],
    [`HARNESS_API_KEY=${key}`, 'a key after "HARNESS_API_KEY="'],
    [`{"a":"${key}","b":"${key}"}`, 'a JSON document'],
    [`${key}\n${key}`, 'blanks, line breaks'],
    ['', 'nothing'],
  ])('refuses text that is no key, with a description of it: %j', (text, found) => {
    let error: unknown;
    try {
      new ApiKey(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      name: 'InvalidConfiguration',
      message: expect.stringContaining(`Harness API key: found ${found}`),
      hint: expect.stringContaining('HARNESS_API_KEY_SECRET'),
    });
    expect(JSON.stringify(error)).not.toContain('hunter2222');
  });
});
