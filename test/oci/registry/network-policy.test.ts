import type { LookupAddress } from 'node:dns';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Transport, type TransportOptions } from '../../../functions/http/transport.ts';
import type { Credentials } from '../../../functions/oci/registry/auth/credentials.ts';
import { getManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import type { RegistryOptions } from '../../../functions/oci/registry/registry.ts';
import type { AuthOptions } from '../../../infra/local/embedded/registry/auth.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, copy, disconnect, errorOf, everything, expectWhole } from '../connect.ts';
import { always } from '../providers.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

const name = 'harness/ci-addon';
const image = sampleImage({ name, tag: '1', layerBytes: 2048 });
const ada: Credentials = { username: 'ada', password: 'horse' };
const bearer: AuthOptions = { kind: 'bearer', users: { ada: 'horse' } };
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await disconnect();
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(auth: AuthOptions = { kind: 'none' }, quirks = {}): Promise<EmbeddedRegistry> {
  const registry = await startRegistry({ auth, quirks });
  closing.push(() => registry.close());
  registry.storage.putImage(name, '1', image);
  return registry;
}

/** An address outside makes a name public; it is the second one, so that the first is connected to. */
const outside: LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '8.8.8.8', family: 4 },
];
const inside: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }];

/** A client that takes the server for a registry on the Internet, by the name `registry.test`. */
function onTheInternet(server: EmbeddedRegistry, more: Partial<RegistryOptions> = {}, network: TransportOptions = {}) {
  const transport = new Transport({
    environment: {},
    resolve: async (host) => (host === 'registry.test' ? outside : inside),
    ...network,
  });
  closing.push(() => transport.destroy());
  const registry = server.host.replace('127.0.0.1', 'registry.test');
  return connect(registry, { transport, insecure: true, ...more });
}

const refused = {
  name: 'RegistryUnreachable',
  message: expect.stringContaining('a registry at a public address referred us to 127.0.0.1, which is more private'),
  hint: 'Trust the host if this is intended.',
  topic: 'private-address',
};

describe('a registry on the Internet', () => {
  it.each(['127.0.0.1', 'inside.test', 'localhost'])('cannot redirect into the private network: %s', async (host) => {
    const target = await start();
    const server = await start();
    const location = `http://${target.host.replace('127.0.0.1', host)}/v2/?X-Signature=s3cret`;
    server.faults.add({ match: { times: 9 }, act: { status: 307, headers: { location } } });
    const error = await errorOf(getManifest(new Repository(onTheInternet(server), name), '1'));
    expect(error).toMatchObject(refused);
    expect(everything(error)).not.toContain('s3cret');
    // Not even asked twice: the answer would be the same.
    expect([server.requests.length, target.requests.length]).toEqual([1, 0]);
  });

  it('can redirect to itself', async () => {
    const server = await start();
    const location = `/v2/${name}/manifests/${image.digest}`;
    server.faults.add({ match: { times: 1 }, act: { status: 307, headers: { location } } });
    expect((await getManifest(new Repository(onTheInternet(server), name), '1')).digest).toBe(image.digest);
  });

  it('can keep its blobs on a private host that the user trusts', async () => {
    const server = await start({ kind: 'none' }, { redirectBlobs: {} });
    const destination = new Repository(connect((await start()).host), 'mirror');
    const from = (trustedPrivateHosts: string[]) =>
      new Repository(onTheInternet(server, {}, { trustedPrivateHosts }), name);
    expect(await errorOf(copy(from([]), '1', destination))).toMatchObject(refused);
    expect(server.requests.filter((request) => request.server === 'blobs')).toEqual([]);
    await copy(from(['127.0.0.0/8']), '1', destination);
  });

  it('cannot redirect an upload into the private network', async () => {
    const target = await start();
    const server = await start();
    const location = `http://${target.host}/v2/${name}/blobs/uploads/1`;
    server.faults.add({ match: { method: 'POST', times: 9 }, act: { status: 202, headers: { location } } });
    const source = new Repository(connect((await start()).host), name);
    expect(await errorOf(copy(source, '1', new Repository(onTheInternet(server), 'mirror')))).toMatchObject(refused);
    expect(target.requests).toEqual([]);
  });

  it('cannot refer to a token service in the private network, with or without credentials', async () => {
    const server = await start(bearer);
    for (const credentials of [{}, { credentials: always(ada) }]) {
      const repository = new Repository(onTheInternet(server, credentials), name);
      expect(await errorOf(resolveTag(repository, '1'))).toMatchObject(refused);
    }
    expect(server.tokens.requests).toEqual([]);
  });

  it('can refer to any token service that the user trusts', async () => {
    const server = await start(bearer);
    const trusted = { credentials: always(ada), trustedTokenHosts: [server.host] };
    expect(await resolveTag(new Repository(onTheInternet(server, trusted), name), '1')).toBe(image.digest);
    expect(server.tokens.requests.map(({ user }) => user)).toEqual(['ada']);
  });
});

describe('a registry on this machine', () => {
  it('can redirect to this machine', async () => {
    const server = await start({ kind: 'none' }, { redirectBlobs: {} });
    const client = connect(server.host);
    await copy(new Repository(client, name), '1', new Repository(client, 'mirror'));
    expectWhole(server, 'mirror', image);
  });

  it.each(['http://169.254.169.254/latest/meta-data/', 'http://[fd00:ec2::254]/', 'http://[::ffff:a9fe:a9fe]/'])(
    'may not redirect us to a metadata service: %s',
    async (location) => {
      const server = await start();
      server.faults.add({ match: { times: 9 }, act: { status: 307, headers: { location } } });
      expect(await errorOf(getManifest(new Repository(connect(server.host), name), '1'))).toMatchObject({
        name: 'RegistryUnreachable',
        message: expect.stringContaining('is never a registry address'),
      });
      expect(server.requests).toHaveLength(1);
    },
  );
});
