import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { getManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import type { AuthOptions } from '../../../infra/local/embedded/registry/auth.ts';
import { connect, copy, errorOf, everything, expectWhole } from '../connect.ts';
import { always } from '../providers.ts';
import { ada, bearer, image, name, repository, start, users, useGuardedRegistries } from './guarded-registry.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

useGuardedRegistries();

describe('a redirect', () => {
  const servers: Server[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
      await once(server, 'close').catch(() => undefined);
    }
  });

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.each<AuthOptions>([
    { kind: 'basic', users },
    { kind: 'bearer', users },
  ])('follows the redirect of a blob without credentials: %j', async (auth) => {
    const registry = await start(auth, { redirectBlobs: {} });
    const client = connect(registry.host, { credentials: always(ada) });
    await copy(new Repository(client, name), '1', new Repository(client, 'mirror'));
    expectWhole(registry, 'mirror', image);
    const redirected = registry.requests.filter(({ server }) => server === 'blobs');
    expect(redirected.length).toBeGreaterThan(0);
    expect(redirected.filter(({ headers, status }) => 'authorization' in headers || status !== 200)).toEqual([]);
  });

  it('does not let a storage host change the login', async () => {
    const seen: (string | undefined)[] = [];
    const storage = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401, { 'www-authenticate': 'Basic realm="give me all"' }).end();
    });
    const registry = await bearer();
    const source = repository(registry.host, ada);
    await resolveTag(source, '1');
    registry.faults.add({
      match: { times: 3 },
      act: { status: 307, headers: { location: `${storage}/x?X-Signature=s3cret` } },
    });
    const error = await errorOf(getManifest(source, '1'));
    expect(error).toMatchObject({ name: 'RegistryFailed', message: expect.stringContaining('storage host') });
    expect(everything(error)).not.toContain('s3cret');
    expect(seen).toEqual([undefined, undefined, undefined]);
    registry.requests.length = 0;
    await resolveTag(source, '1');
    expect(registry.requests.map(({ headers }) => headers['authorization'])).toEqual(['Bearer']);
  });

  it('requests a new redirect after the URL expired', async () => {
    const registry = await start({ kind: 'none' }, { redirectBlobs: { uses: 0 } });
    const client = connect(registry.host);
    const copying = copy(new Repository(client, name), '1', new Repository(client, 'mirror'));
    while (!registry.requests.some(({ server, status }) => server === 'blobs' && status === 403)) {
      await new Promise(setImmediate);
    }
    delete registry.quirks.redirectBlobs;
    await copying;
    expectWhole(registry, 'mirror', image);
  });

  it.each([
    ['in circles', '/v2/again', 'more than 5 redirects', 6],
    ['to another protocol', 'ftp://127.0.0.1/x', 'returned an unusable location: ftp://127.0.0.1', 1],
    ['to nowhere', 'http://[', 'an address that cannot be read', 1],
  ])('does not follow a redirect: %s', async (_, location, message, requests) => {
    const registry = await start({ kind: 'none' });
    registry.faults.add({ match: { times: 99 }, act: { status: 302, headers: { location } } });
    expect(await errorOf(getManifest(repository(registry.host), '1'))).toMatchObject({
      name: 'RegistryFailed',
      message: expect.stringContaining(message),
    });
    expect(registry.requests).toHaveLength(requests);
  });
});

describe('a registry on HTTPS', () => {
  const secure = () => connect('registry.example.com');

  it('never follows a redirect to plain HTTP', () => {
    expect(() => secure().resolve('http://elsewhere.example.com/x?sig=s3cret', 'a/blobs/uploads/')).toThrow(
      expect.objectContaining({
        name: 'RegistryFailed',
        message: 'registry.example.com returned an unusable location: http://elsewhere.example.com',
      }),
    );
  });

  it('uses HTTPS for its own http URL, as behind a TLS proxy', () => {
    const url = secure().resolve('http://registry.example.com/v2/a/blobs/uploads/1?_state=x', 'a/blobs/uploads/');
    expect(url.href).toBe('https://registry.example.com/v2/a/blobs/uploads/1?_state=x');
  });

  it.each([
    ['/v2/a/blobs/uploads/1', 'https://registry.example.com/v2/a/blobs/uploads/1'],
    ['1?x=y', 'https://registry.example.com/v2/a/blobs/uploads/1?x=y'],
    ['https://storage.example.com/1', 'https://storage.example.com/1'],
  ])('can refer us to %s', (location, href) => {
    expect(secure().resolve(location, 'a/blobs/uploads/').href).toBe(href);
  });

  it('refuses a token service on plain HTTP', async () => {
    const { Authorizer } = await import('../../../functions/oci/registry/auth/authorizer.ts');
    const { Transport } = await import('../../../functions/http/transport.ts');
    const authorizer = new Authorizer({
      registry: 'r.io',
      origin: new URL('https://r.io'),
      provider: always(ada),
      transport: new Transport(),
    });
    expect(() => authorizer.learn('Bearer realm="http://r.io/token"')).toThrow(
      expect.objectContaining({ name: 'RegistryUnauthorized', hint: expect.stringContaining('https') }),
    );
  });
});
