import { afterEach, describe, expect, it } from '@jest/globals';
import type { AuthOptions } from '../../../infra/local/embedded/registry/auth.ts';
import type { BearerAuth } from '../../../infra/local/embedded/registry/users.ts';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import { Client, json, sha256, type Reply } from './registry-client.ts';

let registry: Registry;
const users = { ada: 'correct:horse' };
const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const ada = basic('ada', 'correct:horse');

afterEach(async () => {
  await registry.close();
});

async function start(auth: AuthOptions): Promise<Client> {
  registry = await startRegistry({ auth, repositories: ['team/app', 'team/base'] });
  return new Client(registry.host);
}

const bearer = async (options: Partial<BearerAuth> = {}): Promise<Client> =>
  await start({ kind: 'bearer', users, ...options });

/** Asks the token service for the scopes and returns its answer. */
async function askToken(client: Client, scopes: string[], headers = ada, more = ''): Promise<Reply> {
  const query = new URLSearchParams({ service: registry.tokens.service });
  for (const scope of scopes) query.append('scope', scope);
  return await client.send('GET', `${registry.tokens.realm}?${query.toString()}${more}`, { headers });
}

async function tokenFor(client: Client, scopes: string[], headers = ada): Promise<Record<string, string>> {
  const { token } = json(await askToken(client, scopes, headers)) as { token: string };
  return { authorization: `Bearer ${token}` };
}

async function post(client: Client, form: Record<string, string>): Promise<Reply> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams({ service: registry.tokens.service, client_id: 'test', ...form }).toString();
  return await client.send('POST', registry.tokens.realm, { headers, body });
}

const tags = '/v2/team/app/tags/list';
const pull = 'repository:team/app:pull';
const push = 'repository:team/app:pull,push';

describe('basic auth', () => {
  it('challenges whoever has no good credentials', async () => {
    const client = await start({ kind: 'basic', users });
    for (const headers of [{}, basic('ada', 'wrong'), basic('eve', 'correct:horse'), basic('toString', '')]) {
      const reply = await client.send('GET', tags, { headers });
      expect([reply.status, reply.headers['www-authenticate']]).toEqual([401, 'Basic realm="embedded registry"']);
    }
    expect((await client.send('GET', tags, { headers: ada })).status).toBe(200);
  });

  it('lets anyone pull but not push if configured; the ping still challenges', async () => {
    const client = await start({ kind: 'basic', users, anonymousPull: true });
    expect((await client.send('GET', tags)).status).toBe(200);
    expect((await client.send('GET', '/v2/')).status).toBe(401);
    expect((await client.send('POST', '/v2/team/app/blobs/uploads/')).status).toBe(401);
  });
});

describe('bearer auth', () => {
  it('challenges with realm, service and the scope that is needed', async () => {
    const client = await bearer();
    const challenge = async (method: string, path: string) =>
      (await client.send(method, path)).headers['www-authenticate'];
    const prefix = `Bearer realm="http://${registry.host}/token",service="embedded-registry"`;
    expect(await challenge('GET', '/v2/')).toBe(prefix);
    expect(await challenge('HEAD', '/v2/team/app/manifests/v1')).toBe(`${prefix},scope="${pull}"`);
    expect(await challenge('POST', '/v2/team/app/blobs/uploads/')).toBe(`${prefix},scope="${push}"`);
    expect(await challenge('POST', `/v2/team/app/blobs/uploads/?mount=${sha256('')}&from=team/base`)).toBe(
      `${prefix},scope="${push} repository:team/base:pull"`,
    );
    expect(await challenge('DELETE', '/v2/team/app/manifests/v1')).toContain('repository:team/app:delete');
    expect(await challenge('GET', '/v2/_catalog')).toContain('registry:catalog:*');
  });

  it('issues a token for exactly the requested access', async () => {
    const client = await bearer();
    const headers = await tokenFor(client, [pull]);
    expect((await client.send('GET', tags, { headers })).status).toBe(200);
    expect((await client.send('GET', '/v2/', { headers })).status).toBe(200);
    const refused = await client.send('POST', '/v2/team/app/blobs/uploads/', { headers });
    expect(refused.status).toBe(401);
    expect(refused.headers['www-authenticate']).toContain('error="insufficient_scope"');
    const both = await tokenFor(client, [push, 'repository:team/base:pull']);
    const mount = `/v2/team/app/blobs/uploads/?mount=${sha256('')}&from=team/base`;
    expect((await client.send('POST', mount, { headers: both })).status).toBe(202);
  });

  it('refuses wrong credentials and tokens it did not give', async () => {
    const client = await bearer();
    expect((await askToken(client, [pull], basic('ada', 'wrong'))).status).toBe(401);
    const reply = await client.send('GET', tags, { headers: { authorization: 'Bearer made-up' } });
    expect(reply.headers['www-authenticate']).toContain('error="invalid_token"');
    expect((await client.send('GET', tags, { headers: ada })).status).toBe(401);
  });

  it('issues anonymous tokens for pulls only if configured', async () => {
    const closed = await bearer();
    expect((await closed.send('GET', tags, { headers: await tokenFor(closed, [pull], {}) })).status).toBe(401);
    await registry.close();
    const open = await bearer({ anonymousPull: true });
    const headers = await tokenFor(open, [push], {});
    expect((await open.send('GET', tags, { headers })).status).toBe(200);
    expect((await open.send('POST', '/v2/team/app/blobs/uploads/', { headers })).status).toBe(401);
  });

  it('tells how long a token lives, and ends it then', async () => {
    const client = await bearer({ tokenSeconds: 0, clockSkewSeconds: 3600 });
    const reply = json(await askToken(client, [pull])) as Record<string, string | number>;
    expect(reply.expires_in).toBe(0);
    expect(Date.parse(String(reply.issued_at))).toBeGreaterThan(Date.now() + 3_000_000);
    expect((await client.send('GET', tags, { headers: await tokenFor(client, [pull]) })).status).toBe(401);
    registry.tokens.lifetimeSeconds = 60;
    const headers = await tokenFor(client, [pull]);
    expect((await client.send('GET', tags, { headers })).status).toBe(200);
    registry.tokens.expireAll();
    expect((await client.send('GET', tags, { headers })).status).toBe(401);
  });

  it('leaves the lifetime out of the response if configured', async () => {
    const client = await bearer({ announceExpiry: false });
    const reply = json(await askToken(client, [pull]));
    expect(reply).not.toHaveProperty('expires_in');
    expect(reply).not.toHaveProperty('issued_at');
  });

  it('can have its token service on another origin', async () => {
    const client = await bearer({ separateHost: true });
    expect(new URL(registry.tokens.realm).host).not.toBe(registry.host);
    expect((await client.send('GET', tags, { headers: await tokenFor(client, [pull]) })).status).toBe(200);
    expect((await client.send('GET', '/token')).status).toBe(404);
    expect(registry.requests.map(({ server }) => server)).toEqual(['tokens', 'registry', 'registry']);
  });

  it('can honour the first or the last of several scopes only', async () => {
    const scopes = [pull, 'repository:team/base:pull'];
    for (const [honouredScopes, app, base] of [
      ['first', 200, 401],
      ['last', 401, 200],
    ] as const) {
      const client = await bearer({ honouredScopes });
      const headers = await tokenFor(client, scopes);
      expect((await client.send('GET', tags, { headers })).status).toBe(app);
      expect((await client.send('GET', '/v2/team/base/tags/list', { headers })).status).toBe(base);
      await registry.close();
    }
    await bearer();
  });

  it('can keep actions from a user', async () => {
    const client = await bearer({ allows: (user, { action }) => user === 'ada' && action !== 'delete' });
    const headers = await tokenFor(client, ['repository:team/app:pull,push,delete']);
    expect((await client.send('POST', '/v2/team/app/blobs/uploads/', { headers })).status).toBe(202);
    expect((await client.send('DELETE', '/v2/team/app/manifests/v1', { headers })).status).toBe(401);
  });

  it('lists the catalog for a token of its scope', async () => {
    const client = await bearer();
    const headers = await tokenFor(client, ['registry:catalog:*']);
    expect((await client.send('GET', '/v2/_catalog', { headers })).status).toBe(200);
  });

  it('logs every visit of the token service', async () => {
    const client = await bearer();
    await askToken(client, [pull, 'repository:team/base:pull']);
    await askToken(client, [pull], {});
    await askToken(client, [], basic('eve', 'x'));
    const service = registry.tokens.service;
    expect(registry.tokens.requests).toEqual([
      {
        method: 'GET',
        user: 'ada',
        grantType: 'get',
        service,
        scopes: [pull, 'repository:team/base:pull'],
        status: 200,
      },
      { method: 'GET', user: undefined, grantType: 'get', service, scopes: [pull], status: 200 },
      { method: 'GET', user: 'eve', grantType: 'get', service, scopes: [], status: 401 },
    ]);
    expect(JSON.stringify(registry.requests)).not.toContain(ada.authorization?.slice(6));
  });
});

describe('the OAuth2 flow', () => {
  const login = { grant_type: 'password', username: 'ada', password: 'correct:horse' };

  it('gives a token for a password, and a refresh token for offline access', async () => {
    const client = await bearer();
    const plain = json(await post(client, { ...login, scope: pull })) as Record<string, string>;
    expect(plain).not.toHaveProperty('refresh_token');
    const headers = { authorization: `Bearer ${plain.access_token}` };
    expect((await client.send('GET', tags, { headers })).status).toBe(200);
    const offline = json(await post(client, { ...login, access_type: 'offline', scope: pull })) as Record<
      string,
      string
    >;
    expect(offline.refresh_token).toBeDefined();
    const form = { grant_type: 'refresh_token', refresh_token: offline.refresh_token ?? '', scope: push };
    const again = json(await post(client, form)) as Record<string, string>;
    const pushing = { authorization: `Bearer ${again.access_token}` };
    expect((await client.send('POST', '/v2/team/app/blobs/uploads/', { headers: pushing })).status).toBe(202);
    expect(registry.tokens.requests.at(-1)).toMatchObject({ grantType: 'refresh_token', user: 'ada', status: 200 });
  });

  it('takes an identity token such as docker login stores', async () => {
    const client = await bearer();
    const form = { grant_type: 'refresh_token', refresh_token: registry.tokens.identityToken('ada'), scope: pull };
    expect((await post(client, form)).status).toBe(200);
  });

  it('gives a refresh token to the GET flow that asks for one', async () => {
    const client = await bearer();
    expect(json(await askToken(client, [pull], ada, '&offline_token=true'))).toHaveProperty('refresh_token');
    expect(json(await askToken(client, [pull], ada))).not.toHaveProperty('refresh_token');
  });

  it('refuses a wrong password, an unknown token, and a form that lacks a part', async () => {
    const client = await bearer();
    expect((await post(client, { ...login, password: 'wrong' })).status).toBe(401);
    expect((await post(client, { grant_type: 'refresh_token', refresh_token: 'made-up' })).status).toBe(401);
    expect((await post(client, {})).status).toBe(400);
  });

  it('can be absent, as on servers that have the GET flow only', async () => {
    const client = await bearer({ oauth2: false });
    expect((await post(client, login)).status).toBe(404);
    expect((await askToken(client, [pull])).status).toBe(200);
  });
});
