import { describe, expect, it } from '@jest/globals';
import type { Credentials } from '../../../functions/oci/registry/auth/credentials.ts';
import { deleteManifest, deleteTag, getManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { connect, copy, errorOf, everything, expectWhole } from '../connect.ts';
import { always, reading } from '../providers.ts';
import { ada, bearer, image, name, repository, start, users, useGuardedRegistries } from './guarded-registry.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

useGuardedRegistries();

const wrong: Credentials = { username: 'ada', password: 'wr0ng-s3cret' };

describe('a registry without authentication', () => {
  it('gets no credentials', async () => {
    const registry = await start({ kind: 'none' });
    expect(await resolveTag(repository(registry.host, ada), '1')).toBe(image.digest);
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined]);
  });
});

describe('Basic authentication', () => {
  it('sends credentials after the first challenge, and then in each request', async () => {
    const registry = await start({ kind: 'basic', users });
    const source = repository(registry.host, ada);
    await resolveTag(source, '1');
    await resolveTag(source, '1');
    expect(registry.requests.map(({ status, headers }) => [status, headers['authorization']])).toEqual([
      [401, undefined],
      [200, 'Basic'],
      [200, 'Basic'],
    ]);
  });

  it('pulls anonymously where the registry permits it', async () => {
    const registry = await start({ kind: 'basic', users, anonymousPull: true });
    expect(await resolveTag(repository(registry.host), '1')).toBe(image.digest);
  });

  it.each([undefined, wrong])('throws RegistryUnauthorized after one retry with %p', async (credentials) => {
    const registry = await start({ kind: 'basic', users });
    const error = await errorOf(getManifest(repository(registry.host, credentials), '1'));
    expect(error).toMatchObject({ name: 'RegistryUnauthorized', status: 401, message: expect.stringContaining(name) });
    expect(registry.requests).toHaveLength(credentials ? 2 : 1);
  });

  it('reads the credentials again after they expired', async () => {
    const registry = await start({ kind: 'basic', users });
    const answers = [wrong, ada];
    const provider = reading(async () => answers.shift() ?? ada);
    const source = repository(registry.host, undefined, { credentials: provider });
    expect((await errorOf(resolveTag(source, '1'))).name).toBe('RegistryUnauthorized');
    expect(await resolveTag(source, '1')).toBe(image.digest);
  });

  it('ignores an unknown scheme beside Basic', async () => {
    const registry = await start({ kind: 'basic', users });
    const challenge = { 'www-authenticate': 'Negotiate YWJj==, Basic realm="r"' };
    registry.faults.add({ act: { status: 401, headers: challenge } });
    expect(await resolveTag(repository(registry.host, ada), '1')).toBe(image.digest);
  });
});

describe('Bearer authentication', () => {
  it('gets a token anonymously', async () => {
    const registry = await bearer({ anonymousPull: true });
    expect(await resolveTag(repository(registry.host), '1')).toBe(image.digest);
    expect(registry.tokens.requests).toEqual([
      {
        method: 'GET',
        user: undefined,
        grantType: 'get',
        service: 'embedded-registry',
        scopes: [`repository:${name}:pull`],
        status: 200,
      },
    ]);
  });

  it('gets a token with credentials, once per set of scopes', async () => {
    const registry = await bearer();
    const source = repository(registry.host, ada);
    for (let i = 0; i < 3; i++) await resolveTag(source, '1');
    await copy(source, '1', new Repository(source.registry, 'mirror'));
    expectWhole(registry, 'mirror', image);
    expect(registry.tokens.requests.map(({ user, scopes }) => `${user} ${scopes.join(' ')}`).toSorted()).toEqual([
      `ada repository:${name}:pull`,
      'ada repository:mirror:pull,push',
    ]);
  });

  it('gets one token for many requests at once', async () => {
    const registry = await bearer();
    const source = repository(registry.host, ada);
    await Promise.all(Array.from({ length: 24 }, () => resolveTag(source, '1')));
    expect(registry.tokens.requests).toHaveLength(1);
  });

  it('renews a token that the registry no longer accepts, once for many requests', async () => {
    const registry = await bearer();
    const source = repository(registry.host, ada);
    await resolveTag(source, '1');
    registry.tokens.expireAll();
    await Promise.all(Array.from({ length: 24 }, () => resolveTag(source, '1')));
    expect(registry.tokens.requests).toHaveLength(2);
  });

  it('renews a token before it expires', async () => {
    const registry = await bearer({ tokenSeconds: 1e-9 });
    const source = repository(registry.host, ada);
    // It is over when the registry looks at it, unless both fall into one millisecond.
    await resolveTag(source, '1').catch(() => undefined);
    registry.tokens.lifetimeSeconds = 300;
    registry.requests.length = 0;
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(registry.requests.filter(({ status }) => status === 401)).toEqual([]);
  });

  it.each([{ announceExpiry: false }, { clockSkewSeconds: 86_400 }, { clockSkewSeconds: -86_400 }])(
    'does not depend on the clock of the service: %j',
    async (options) => {
      const registry = await bearer(options);
      const source = repository(registry.host, ada);
      await resolveTag(source, '1');
      await resolveTag(source, '1');
      expect(registry.tokens.requests).toHaveLength(1);
    },
  );

  it('survives tokens that expire in the middle of a copy', async () => {
    const registry = await bearer();
    const client = connect(registry.host, { credentials: always(ada) });
    const destination = new Repository(client, 'mirror');
    let expired = 0;
    const onProgress = () => {
      if (expired++ < 3) registry.tokens.expireAll();
    };
    await copy(new Repository(client, name), '1', destination, { onProgress });
    expect(expired).toBeGreaterThan(2);
    expectWhole(registry, 'mirror', image);
  });

  it('deletes where the token service does not know the action, as at Quay', async () => {
    const registry = await bearer({ deletesByPush: true });
    const source = repository(registry.host, ada);
    expect(await deleteTag(source, '1')).toBe(true);
    await deleteManifest(source, image.digest as Digest);
    expect(registry.storage.manifest(name, image.digest)).toBeUndefined();
    expect(registry.tokens.requests.map(({ scopes, status }) => [scopes, status])).toEqual([
      [[`repository:${name}:delete`, `repository:${name}:pull,push`], 400],
      [[`repository:${name}:pull,push`], 200],
    ]);
  });

  it('exchanges an identity token', async () => {
    const registry = await bearer();
    const identityToken = registry.tokens.identityToken('ada');
    expect(await resolveTag(repository(registry.host, { identityToken }), '1')).toBe(image.digest);
    expect(registry.tokens.requests).toMatchObject([
      { method: 'POST', grantType: 'refresh_token', user: 'ada', status: 200 },
    ]);
  });

  it('sends a registry token unchanged', async () => {
    const registry = await bearer();
    const error = await errorOf(resolveTag(repository(registry.host, { registryToken: 'made-up-s3cret' }), '1'));
    expect(error.name).toBe('RegistryUnauthorized');
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toContain('Bearer');
    expect(registry.tokens.requests.map(({ user }) => user)).not.toContain('ada');
    expect(everything(error)).not.toContain('s3cret');
  });

  it.each([
    ['wrong credentials', wrong, 'the configured credentials'],
    ['an identity token that is over', { identityToken: 'gone-s3cret' }, 'the configured credentials'],
  ])('reports %s as RegistryUnauthorized, with scope and service but no secret', async (_, credentials, who) => {
    const registry = await bearer();
    const error = await errorOf(resolveTag(repository(registry.host, credentials), '1'));
    expect(error).toMatchObject({ name: 'RegistryUnauthorized' });
    for (const fact of [who, `repository:${name}:pull`, registry.tokens.realm, 'HTTP 401']) {
      expect(error.message).toContain(fact);
    }
    expect(everything(error)).not.toContain('s3cret');
    // The last request is a stranger's, which many registries answer.
    expect(registry.tokens.requests.map(({ status }) => status)).toEqual([401, expect.any(Number)]);
  });

  it('throws RegistryUnauthorized when the token lacks the scope', async () => {
    const registry = await bearer({ allows: (_, { name: repo }) => repo !== name });
    expect(await errorOf(resolveTag(repository(registry.host, ada), '1'))).toMatchObject({
      name: 'RegistryUnauthorized',
      status: 401,
    });
  });

  it('reads expired credentials again, in the same request', async () => {
    const current = { ada: 'first' };
    const registry = await bearer({ users: current });
    let asked = 0;
    const provider = reading(async () => {
      asked++;
      return { username: 'ada', password: current.ada };
    });
    const source = repository(registry.host, undefined, { credentials: provider });
    await resolveTag(source, '1');
    current.ada = 'second';
    registry.tokens.expireAll();
    expect(await resolveTag(source, '1')).toBe(image.digest);
    expect(asked).toBe(2);
    expect(registry.tokens.requests.map(({ status }) => status)).toEqual([200, 401, 200]);
  });

  it('reads the credentials again after a failure', async () => {
    const registry = await bearer();
    let asked = 0;
    const provider = reading(async () => {
      if (asked++ === 0) throw new Error('the keychain is locked');
      return ada;
    });
    const source = repository(registry.host, undefined, { credentials: provider });
    await expect(resolveTag(source, '1')).rejects.toThrow('the keychain is locked');
    expect(await resolveTag(source, '1')).toBe(image.digest);
  });

  it('retries when the token service is overloaded, and reports it in the end', async () => {
    const registry = await bearer();
    registry.faults.add({ match: { path: /^\/token/, times: 2 }, act: { status: 503 } });
    expect(await resolveTag(repository(registry.host, ada), '1')).toBe(image.digest);
    registry.faults.add({ match: { path: /^\/token/, times: 99 }, act: { status: 503 } });
    expect(await errorOf(resolveTag(repository(registry.host, ada), '1'))).toMatchObject({
      name: 'RegistryFailed',
      message: expect.stringMatching(/token service .* HTTP 503/),
    });
    registry.faults.clear();
    registry.faults.add({
      match: { path: /^\/token/, times: 99 },
      act: { status: 429, headers: { 'retry-after': '7200' } },
    });
    registry.requests.length = 0;
    expect(await errorOf(resolveTag(repository(registry.host, ada), '1'))).toMatchObject({ name: 'RegistryThrottled' });
    // Two hours are more than anyone waits: it is not asked again.
    expect(registry.requests.filter(({ path }) => path === '/token')).toHaveLength(1);
  });

  it.each<[string, number, unknown, string]>([
    ['Docker', 401, { details: 'incorrect username or password' }, 'HTTP 401: incorrect username or password'],
    [
      'OAuth',
      400,
      { error: 'invalid_scope', error_description: 'no such one' },
      'HTTP 400: invalid_scope: no such one',
    ],
    [
      'a registry',
      403,
      {
        errors: [
          { code: 'DENIED', message: 'no seat' },
          { code: 'UNKNOWN', detail: 'ask ada' },
        ],
      },
      'HTTP 403: DENIED: no seat; UNKNOWN: ask ada',
    ],
    ['a page', 200, '<html><title>Sign in</title></html>', 'HTTP 200: a web page, "Sign in"'],
    ['nothing known', 200, { access: 'c0ffee' }, 'HTTP 200: a response without a token'],
    ['an overload', 503, 'no healthy upstream', 'returned HTTP 503 (no healthy upstream)'],
    ['an echo', 401, { details: 'not horse-of-ada' }, 'HTTP 401: not [redacted]'],
  ])('quotes the text of the token service for %s', async (_, status, body, said) => {
    const registry = await bearer();
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    registry.faults.add({ match: { path: /^\/token/, times: 99 }, act: { status, body: text } });
    const credentials = { username: 'ada', password: 'horse-of-ada' };
    const error = await errorOf(resolveTag(repository(registry.host, credentials), '1'));
    expect(error.message).toContain(`the token service ${registry.tokens.realm} of ${registry.host}`);
    expect(error.message).toContain(said);
    expect(everything(error)).not.toMatch(/horse|c0ffee/);
  });

  it.each([
    ['cuts the connection', 'reset', 'RegistryUnreachable'],
    ['answers nonsense', { status: 200, body: '<html>' }, 'RegistryUnauthorized'],
    ['answers without a token', { status: 200, body: '{}' }, 'RegistryUnauthorized'],
    ['answers without end', { status: 200, body: 'x'.repeat(300_000) }, 'RegistryFailed'],
  ] as const)('fails with a name of ours when the token service %s', async (_, act, errorName) => {
    const registry = await bearer();
    registry.faults.add({ match: { path: /^\/token/, times: 99 }, act });
    expect(await errorOf(resolveTag(repository(registry.host, ada), '1'))).toMatchObject({ name: errorName });
  });

  it('lets one request abort while it waits for a shared token, and serves the others', async () => {
    const registry = await bearer();
    const source = repository(registry.host, ada);
    registry.quirks.latencyMs = 20;
    const controller = new AbortController();
    const impatient = errorOf(resolveTag(source, '1', { signal: controller.signal }));
    const patient = resolveTag(source, '1');
    while (!registry.requests.some(({ path }) => path === '/token')) await new Promise(setImmediate);
    controller.abort(new Error('enough'));
    expect((await impatient).message).toBe('enough');
    expect(await patient).toBe(image.digest);
    expect(registry.tokens.requests).toHaveLength(1);
  });
});
