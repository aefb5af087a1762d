import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { hasBlob, opensBlob, servesBlob } from '../../../functions/oci/registry/blobs.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, disconnect } from '../connect.ts';

const name = 'harness/ci-addon';
const content = Buffer.from('a layer');
const digest = digestOf(content);
const blob = { digest, size: content.length };

let registry: EmbeddedRegistry;
let repository: Repository;
beforeAll(async () => {
  registry = await startRegistry();
  repository = new Repository(connect(registry.host), name);
});
afterEach(() => {
  registry.faults.clear();
  registry.storage.deleteBlob(name, digest);
  registry.requests.length = 0;
});
afterAll(async () => {
  await disconnect();
  await registry.close();
});

type Situation = 'whole' | 'cut short' | 'absent';

function stage(stored: Situation, head: 'true' | 'zero' | 'of an encoded body' | 'refused'): void {
  if (stored !== 'absent') registry.storage.putBlob(name, stored === 'whole' ? content : content.subarray(1), digest);
  const answers = {
    true: undefined,
    zero: { status: 200, headers: { 'content-length': '0' } },
    'of an encoded body': { status: 200, headers: { 'content-length': '3', 'content-encoding': 'gzip' } },
    refused: { status: 403 },
  };
  const act = answers[head];
  if (act) registry.faults.add({ match: { method: 'HEAD', times: 9 }, act });
}

const methods = () =>
  registry.requests
    .filter(({ path }) => path.includes('/blobs/'))
    .map(({ method }) => method)
    .join(' ');

describe('a lookup of a blob', () => {
  it.each([
    ['whole', 'true', true, 'HEAD'],
    ['whole', 'of an encoded body', true, 'HEAD'],
    ['whole', 'zero', true, 'HEAD GET'],
    ['cut short', 'true', false, 'HEAD GET'],
    ['cut short', 'zero', false, 'HEAD GET'],
    ['absent', 'zero', false, 'HEAD GET'],
    ['absent', 'true', false, 'HEAD'],
    ['whole', 'refused', false, 'HEAD'],
  ] as const)('looks up a blob that is %s, with a HEAD that is %s: %s (%s)', async (stored, head, found, asked) => {
    stage(stored, head);
    expect([await hasBlob(repository, blob), methods()]).toEqual([found, asked]);
  });

  it.each([
    ['whole', 'true', true, 'HEAD'],
    ['whole', 'refused', true, 'HEAD GET'],
    ['whole', 'zero', true, 'HEAD GET'],
    ['cut short', 'true', false, 'HEAD GET'],
    ['cut short', 'refused', false, 'HEAD GET'],
    ['absent', 'true', false, 'HEAD GET'],
  ] as const)(
    'checks that a blob is served which is %s, with a HEAD that is %s: %s (%s)',
    async (stored, head, found, asked) => {
      stage(stored, head);
      expect([await servesBlob(repository, blob), methods()]).toEqual([found, asked]);
    },
  );

  it.each([
    ['whole', true],
    ['cut short', false],
    ['absent', false],
  ] as const)('looks up a blob at a source that allows pulls only, %s: %s', async (stored, found) => {
    stage(stored, 'true');
    expect([await opensBlob(repository, blob), methods()]).toEqual([found, 'GET']);
  });

  it('sends no HEAD where the registry is known to refuse it', async () => {
    stage('whole', 'true');
    const profile = { ...repository.registry.profile, headBlob: false };
    const refusing = new Repository(connect(registry.host, { profile }), name);
    expect([await hasBlob(refusing, blob), await servesBlob(refusing, blob), methods()]).toEqual([false, true, 'GET']);
  });

  it('finds a blob whose length the registry does not report', async () => {
    const server = createServer((request, response) => {
      response.writeHead(200).flushHeaders();
      response.end(request.method === 'GET' ? content : undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const untold = new Repository(connect(`127.0.0.1:${(server.address() as AddressInfo).port}`), name);
    expect([await hasBlob(untold, blob), await opensBlob(untold, blob)]).toEqual([true, true]);
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  it('fails when the registry fails', async () => {
    registry.faults.add({ match: { times: 9 }, act: { status: 503 } });
    await expect(opensBlob(repository, blob)).rejects.toMatchObject({ name: 'RegistryFailed' });
  });
});
