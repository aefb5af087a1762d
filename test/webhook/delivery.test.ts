import { describe, expect, it } from '@jest/globals';
import { readDelivery } from '../../functions/webhook/delivery.ts';
import { notification } from './request.ts';

const read = (body: string, key?: string) => readDelivery(Buffer.from(body), key);

describe('a delivery', () => {
  it.each<[string, string, string | undefined, unknown, string | undefined]>([
    ['nothing', '', undefined, {}, undefined],
    ['white space, with a key', ' \n', 'k', {}, 'k'],
    ['null', 'null', undefined, {}, undefined],
    ['an input', '{"action":"plan"}', undefined, { action: 'plan' }, undefined],
    ['an input with a key', '{"action":"plan"}', 'k', { action: 'plan' }, 'k'],
    ['a notification', notification(), undefined, {}, 'Zq3VbXkPT9iPSyVXz1dFZg'],
    ['a notification with a key', notification(), 'k', {}, 'k'],
    ['a notification without an execution', notification({ planExecutionId: 7 }), undefined, {}, undefined],
    ['no notification', '{"eventData":"none"}', undefined, { eventData: 'none' }, undefined],
    ['an empty notification', '{"eventData":null}', undefined, { eventData: null }, undefined],
  ])('reads %s', (_, body, key, input, id) => {
    expect(read(body, key)).toEqual({ input, id });
  });

  it.each(['k', ' ~', 'x'.repeat(256), 'nullable', '<pipeline.executionId>', '+<'])('takes the key %j', (key) => {
    expect(read('', key).id).toBe(key);
  });

  it.each(['', 'x'.repeat(257), 'é', 'a\nb', 'null', '<+pipeline.executionId>', 'a <+b>'])(
    'refuses the key %j, which says nothing',
    (key) => {
      expect(() => read('', key)).toThrow(
        expect.objectContaining({
          name: 'InvalidInput',
          problems: [expect.objectContaining({ path: 'Idempotency-Key' })],
        }),
      );
    },
  );

  it('refuses what is no JSON, with the reason', () => {
    expect(() => read('{"a":')).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        problems: [expect.objectContaining({ path: '$', found: '"{\\"a\\":"' })],
      }),
    );
  });

  it('refuses what is no text, and does not take a failure of ours for that', () => {
    expect(() => readDelivery(Uint8Array.of(0x22, 0xff, 0x22), undefined)).toThrow(
      expect.objectContaining({ name: 'InvalidInput', problems: [expect.objectContaining({ path: '$' })] }),
    );
    expect(() => readDelivery(undefined as never, undefined)).toThrow(TypeError);
  });
});
