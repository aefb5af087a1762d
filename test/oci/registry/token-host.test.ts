import { describe, expect, it } from '@jest/globals';
import type { Credentials } from '../../../functions/oci/registry/auth/credentials.ts';
import { resolveTag } from '../../../functions/oci/registry/manifests.ts';
import type { Registry as EmbeddedRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { errorOf } from '../connect.ts';
import { ada, bearer, image, repository, useGuardedRegistries } from './guarded-registry.ts';

useGuardedRegistries();

describe('a token service on a host of its own', () => {
  /** The same server by another name, which our client takes for another host. */
  async function apart(): Promise<{ registry: EmbeddedRegistry; tokenHost: string }> {
    const registry = await bearer({ separateHost: true, anonymousPull: true });
    registry.tokens.realm = registry.tokens.realm.replace('127.0.0.1', 'localhost');
    return { registry, tokenHost: new URL(registry.tokens.realm).host };
  }

  it.each<[string, Credentials]>([
    ['a password', ada],
    ['an identity token', { identityToken: 'refresh-s3cret' }],
  ])('withholds %s from an untrusted token service', async (_, credentials) => {
    const { registry, tokenHost } = await apart();
    expect(await resolveTag(repository(registry.host, credentials), '1')).toBe(image.digest);
    const asked = registry.requests.filter(({ server }) => server === 'tokens');
    expect(asked.map(({ method, headers }) => [method, headers['authorization']])).toEqual([['GET', undefined]]);
    expect(asked[0]?.headers['host']).toBe(tokenHost);
    expect(registry.tokens.requests.map(({ user }) => user)).toEqual([undefined]);
  });

  it('names an untrusted token service in the refusal, with the cure', async () => {
    const { registry, tokenHost } = await apart();
    registry.faults.add({ match: { path: /^\/token/ }, act: { status: 401 } });
    expect(await errorOf(resolveTag(repository(registry.host, ada), '1'))).toMatchObject({
      name: 'RegistryUnauthorized',
      hint: expect.stringContaining(`Trust ${tokenHost} if it is the token service of ${registry.host}`),
      topic: 'token-service',
    });
  });

  it.each<[string, Credentials | undefined, RegExp]>([
    ['was withheld', ada, /withheld from the token service localhost:\d+ .*Trust localhost:\d+ if/],
    ['is not there', undefined, /HTTP 401.*Log in to/],
  ])('names a token service that issues useless anonymous tokens when a login %s', async (_, credentials, told) => {
    const { registry } = await apart();
    const refusal = { status: 401, headers: { 'www-authenticate': `Bearer realm="${registry.tokens.realm}"` } };
    registry.faults.add({ match: { path: /^\/v2/, times: 9 }, act: refusal });
    const { name, message, hint } = await errorOf(resolveTag(repository(registry.host, credentials), '1'));
    expect(name).toBe('RegistryUnauthorized');
    expect(`${message} ${String(hint)}`).toMatch(told);
  });

  it('sends the credentials to a trusted token service', async () => {
    const { registry, tokenHost } = await apart();
    await resolveTag(repository(registry.host, ada, { trustedTokenHosts: [tokenHost] }), '1');
    expect(registry.tokens.requests.map(({ user }) => user)).toEqual(['ada']);
  });

  it('treats another port of the registry as another host', async () => {
    const registry = await bearer({ separateHost: true });
    const tokenHost = new URL(registry.tokens.realm).host;
    const error = await errorOf(resolveTag(repository(registry.host, ada), '1'));
    expect(`${error.message} ${String(error['hint'])}`).toContain(`Trust ${tokenHost} if`);
    expect(registry.tokens.requests.map(({ user }) => user)).toEqual([undefined]);
    const trusting = repository(registry.host, ada, { trustedTokenHosts: [tokenHost] });
    expect(await resolveTag(trusting, '1')).toBe(image.digest);
  });

  it('sends the credentials to a token service on the port of the registry', async () => {
    const registry = await bearer();
    expect(await resolveTag(repository(registry.host, ada), '1')).toBe(image.digest);
    expect(registry.tokens.requests.map(({ user }) => user)).toEqual(['ada']);
  });

  it.each<[string, unknown, string]>([
    ['a number', { token: 5 }, 'a token of type number, not text'],
    ['a list', { access_token: ['a'] }, 'a token of type object, not text'],
    ['a line break', { token: 'a\r\nx-injected: 1' }, 'a token with spaces or characters that no header can carry'],
    ['a control character', { token: 'a\u0000b' }, 'a token with spaces or characters that no header can carry'],
    ['letters beyond ASCII', { token: 'tök' }, 'a token with spaces or characters that no header can carry'],
    ['nothing', {}, 'a response without a token'],
    ['null', null, 'a response without a token'],
  ])('names the token service when its token is %s', async (_, answer, told) => {
    const registry = await bearer();
    registry.faults.add({ match: { path: /^\/token/, times: 9 }, act: { status: 200, body: JSON.stringify(answer) } });
    expect(await errorOf(resolveTag(repository(registry.host, ada), '1'))).toMatchObject({
      name: 'RegistryUnauthorized',
      message: expect.stringContaining(told),
    });
  });

  it('refuses a registry token that no header can carry', async () => {
    const registry = await bearer();
    const error = await errorOf(resolveTag(repository(registry.host, { registryToken: 'a\nb' }), '1'));
    expect(error).toMatchObject({ name: 'InvalidConfiguration', message: expect.stringContaining('registrytoken') });
  });

  it.each(['ftp://127.0.0.1/token', 'not a url', 'http://user:pass@127.0.0.1/token', '//x', 'javascript:alert(1)'])(
    'never asks a token service at %s',
    async (realm) => {
      const registry = await bearer();
      registry.tokens.realm = realm;
      expect(await errorOf(resolveTag(repository(registry.host, ada), '1'))).toMatchObject({
        name: 'RegistryUnauthorized',
        message: expect.stringContaining('unusable token service'),
      });
      expect(registry.requests).toHaveLength(1);
    },
  );
});
