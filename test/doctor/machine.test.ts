import { describe, expect, it } from '@jest/globals';
import { checkClock } from '../../functions/doctor/harness.ts';
import { checkNode, checkProxy } from '../../functions/doctor/machine.ts';

describe('the check of Node.js', () => {
  it.each(['20.19.0', '22.12.9'])('fails for %s, and names the version to install', (version) => {
    expect(checkNode(version)).toEqual({
      status: 'failed',
      message: `${version} is too old`,
      cure: 'Install Node.js 22.13.0 or later; 24 is recommended.',
    });
  });

  it.each(['22.13.0', '24.21.0', '26.0.0'])('passes for %s', (version) => {
    expect(checkNode(version).status).toBe('ok');
  });
});

describe('the check of the clock', () => {
  const skewed = (seconds: number) =>
    checkClock({
      url: new URL('https://app.harness.io'),
      ms: 40,
      clock: { theirs: 1_800_000_000_000, ours: 1_800_000_000_000 + seconds * 1_000 },
    });

  it.each([0, 1, -29])('passes for a difference of %d s', (seconds) => {
    expect(skewed(seconds).status).toBe('ok');
  });

  it.each([
    [45, 'warning', "45 s ahead of Harness's"],
    [-300, 'warning', "300 s behind Harness's"],
    [-301, 'failed', "301 s behind Harness's"],
    [86_400, 'failed', "86400 s ahead of Harness's"],
  ])('reports a difference of %d s as %s, with its cure', (seconds, status, message) => {
    expect(skewed(seconds)).toEqual({ status, message, cure: expect.stringContaining('Synchronize the clock') });
  });

  it('skips without a response, or without a date in it', () => {
    expect(checkClock(undefined).status).toBe('skipped');
    expect(checkClock({ url: new URL('https://a.example'), ms: 1, clock: undefined }).status).toBe('skipped');
  });
});

it('names which addresses are reached through which proxy, without its password', () => {
  const addresses = new Map([
    ['Harness', new URL('https://app.harness.io')],
    ['registry.example.com', new URL('https://registry.example.com')],
  ]);
  const environment = { HTTPS_PROXY: 'http://user:topsecret@proxy.example:3128', NO_PROXY: '.example.com' };
  expect(checkProxy(addresses, environment)).toEqual({
    status: 'ok',
    message: 'Harness: through the proxy proxy.example:3128 (HTTPS_PROXY); registry.example.com: direct',
  });
});
