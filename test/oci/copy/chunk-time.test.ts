import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Request, type Response, Transport } from '../../../functions/http/transport.ts';
import { type Profile, profileOf } from '../../../functions/oci/registry/profile.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, copy, disconnect, expectWhole } from '../connect.ts';
import { storedImage } from '../stored-images.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

const MiB = 1024 * 1024;
const name = 'harness/ci-addon';

/** Notes how long each chunk may take. */
class WatchedTransport extends Transport {
  readonly limits: (number | undefined)[] = [];

  override request(request: Request): Promise<Response> {
    if (request.method === 'PATCH') this.limits.push(request.headersTimeoutMs);
    return super.request(request);
  }
}

let from: EmbeddedRegistry;
let to: EmbeddedRegistry;
const transport = new WatchedTransport();
beforeAll(async () => {
  [from, to] = await Promise.all([startRegistry(), startRegistry()]);
});
afterAll(async () => {
  await Promise.all([disconnect(), transport.destroy()]);
  await Promise.all([from.close(), to.close()]);
});

it('allows more time for a chunk that a registry requires to be large', async () => {
  to.quirks.minChunkBytes = 20 * MiB;
  const image = storedImage([Buffer.alloc(21 * MiB, 'large')]);
  from.storage.putImage(name, '1', image);
  const profile: Profile = { ...profileOf('registry.acme.com'), maxPut: MiB, large: 'chunk' };
  const destination = new Repository(connect(to.host, { profile, transport }), 'mirror/ci-addon');
  await copy(new Repository(connect(from.host), name), '1', destination);
  expectWhole(to, 'mirror/ci-addon', image);
  expect(transport.limits).toEqual([180_000, undefined]);
});
