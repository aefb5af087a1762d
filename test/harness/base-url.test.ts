import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseBaseUrl } from '../../functions/harness/base-url.ts';

const segment = fc.stringMatching(/^[a-z0-9-]{1,8}$/).filter((s) => s !== 'gateway');
const origin = fc.oneof(
  fc.domain().map((host) => `https://${host}`),
  fc.constantFrom(
    'https://app.harness.io',
    'https://harness.example.com:8443',
    'http://localhost:3000',
    'http://127.0.0.1:1',
    'http://[::1]:80',
  ),
);
const slashes = fc.nat(3).map((n) => '/'.repeat(n));

describe('the base URL', () => {
  it('names the gateway below any origin and prefix, however it is written', () => {
    fc.assert(
      fc.property(origin, fc.array(segment, { maxLength: 3 }), fc.boolean(), slashes, (host, path, gateway, end) => {
        const prefix = [host, ...path].join('/');
        const url = parseBaseUrl(prefix + (gateway ? '/gateway' : '') + end);
        expect(url.href).toBe(new URL(`${prefix}/gateway`).href);
      }),
    );
  });

  it('returns the same base URL when parsed again', () => {
    fc.assert(
      fc.property(origin, fc.array(segment, { maxLength: 3 }), slashes, (host, path, end) => {
        const { href } = parseBaseUrl([host, ...path].join('/') + end);
        expect(parseBaseUrl(href).href).toBe(href);
      }),
    );
  });

  it('keeps a segment that only ends in gateway', () => {
    expect(parseBaseUrl('https://example.com/my-gateway/').href).toBe('https://example.com/my-gateway/gateway');
  });

  it.each([
    ['nothing', ''],
    ['a host without scheme', 'app.harness.io'],
    ['a host and port without scheme', 'localhost:3000'],
    ['another scheme', 'ftp://app.harness.io'],
    ['plain http to another machine', 'http://app.harness.io'],
    ['a name that only looks like loopback', 'http://127.0.0.1.example.com'],
    ['a query', 'https://app.harness.io/?accountIdentifier=a'],
    ['a fragment', 'https://app.harness.io/#/account'],
    ['a user name', 'https://user@app.harness.io'],
  ])('refuses %s', (_, text) => {
    expect(() => parseBaseUrl(text)).toThrow(
      expect.objectContaining({
        name: 'InvalidConfiguration',
        problems: [expect.objectContaining({ path: 'HARNESS_URL' })],
      }),
    );
  });

  it.each(['https://u:hunter2@app.harness.io', 'u:hunter2@app.harness.io', '//u:hunter2@x', 'https://x/?key=hunter2'])(
    'does not repeat the secret in %s',
    (text) => {
      let thrown: unknown;
      try {
        parseBaseUrl(text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ name: 'InvalidConfiguration' });
      expect(JSON.stringify(thrown)).not.toContain('hunter2');
    },
  );
});
