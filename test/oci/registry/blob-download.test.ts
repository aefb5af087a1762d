import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readBlob } from '../../../functions/oci/registry/blob-download.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Act } from '../../../infra/local/embedded/registry/faults.ts';
import { startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, disconnect, errorOf } from '../connect.ts';

const MiB = 1024 * 1024;
const content = Buffer.alloc(4 * MiB, 'the quick brown fox ');
const blob = { mediaType: 'application/octet-stream', digest: digestOf(content), size: content.length };
const gets = { method: 'GET', path: /\/blobs\// };

let registry: Awaited<ReturnType<typeof startRegistry>>;
let repository: Repository;
beforeEach(async () => {
  registry = await startRegistry();
  registry.storage.putBlob('harness/ci-addon', content);
  repository = new Repository(connect(registry.host), 'harness/ci-addon');
});
afterEach(async () => {
  await disconnect();
  await registry.close();
});

async function read(signal?: AbortSignal): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(readBlob(repository, blob, { signal })));
}

describe('reading a blob', () => {
  it.each<[string, Act]>([
    ['a connection that is reset', 'reset'],
    ['a connection that is closed', 'finish-early'],
    ['a body that is cut short in good order', 'truncate'],
  ])('resumes after %s, and transfers no byte twice', async (_, act) => {
    registry.faults.add({ match: gets, act, afterBytes: 2 * MiB });
    expect((await read()).equals(content)).toBe(true);
    expect(registry.requests).toHaveLength(2);
    const [, again] = registry.requests;
    const start = Number(/^bytes=(\d+)-$/.exec(again?.headers.range ?? '')?.[1]);
    expect(start).toBeGreaterThan(0);
    expect(again).toMatchObject({ status: 206, bytesOut: content.length - start });
  });

  it('resumes as long as each connection makes progress', async () => {
    registry.faults.add({ match: { ...gets, times: 3 }, act: 'reset', afterBytes: MiB });
    expect((await read()).equals(content)).toBe(true);
    expect(registry.faults.hits).toBe(3);
  });

  it('skips the bytes that it has where the registry ignores ranges', async () => {
    registry.quirks.noRange = true;
    registry.faults.add({ match: gets, act: 'reset', afterBytes: 2 * MiB });
    expect((await read()).equals(content)).toBe(true);
  });

  it('gives up, naming registry, blob and place, when connections keep breaking', async () => {
    registry.faults.add({ match: { ...gets, times: 99 }, act: 'reset', afterBytes: 1 });
    expect(await errorOf(read())).toMatchObject({
      name: 'RegistryUnreachable',
      message: expect.stringContaining(`${registry.host} stopped sending blob ${blob.digest}`),
    });
    expect(registry.requests.length).toBeLessThanOrEqual(9);
  });

  it('stops on abort, with the reason of the signal', async () => {
    const stop = new AbortController();
    registry.faults.add({ match: gets, act: 'stall', afterBytes: MiB });
    const reading = read(stop.signal);
    const reason = new Error('enough');
    setTimeout(() => stop.abort(reason), 50);
    expect(await errorOf(reading)).toBe(reason);
  });
});
