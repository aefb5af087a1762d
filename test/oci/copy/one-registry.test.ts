import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { transferBlob } from '../../../functions/oci/copy/stream-blob.ts';
import { profileOf } from '../../../functions/oci/registry/profile.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { connect, disconnect } from '../connect.ts';

const MiB = 1024 * 1024;

afterEach(disconnect);

it('asks for the progress of uploads while their downloads hold all slots of the same registry', async () => {
  const contents = [randomBytes(6 * MiB), randomBytes(6 * MiB)];
  const blobs = contents.map((bytes) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest,
    size: bytes.length,
  }));
  const received: number[] = [];
  const refused = new Set<number>();
  const server = createServer(async (request, response) => {
    let length = 0;
    for await (const chunk of request) length += (chunk as Buffer).length;
    const path = request.url ?? '';
    const blob = blobs.findIndex(({ digest }) => request.method === 'GET' && path.endsWith(digest));
    if (blob >= 0) return response.end(contents[blob]);
    if (request.method === 'POST')
      return response.writeHead(202, { location: `/v2/to/blobs/uploads/${received.push(0) - 1}` }).end();
    if (request.method === 'PUT') return response.writeHead(201).end();
    const upload = Number(/(\d+)$/.exec(path)?.[1]);
    const last = (received[upload] = (received[upload] ?? 0) + length) - 1;
    if (request.method === 'GET') return response.writeHead(204, { range: `0-${last}`, location: path }).end();
    // The chunk arrived, but an earlier response to it was lost.
    if (refused.has(upload)) return response.writeHead(202, { range: `0-${last}`, location: path }).end();
    refused.add(upload);
    return response.writeHead(416).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const registry = connect(host, { profile: { ...profileOf(host), maxPut: 0, large: 'chunk', chunkBytes: 4 * MiB } });
    // Refusals for too many requests leave two slots.
    for (let n = 0; n < 4; n++) {
      const slot = await registry.limits.enter('request', 'GET');
      slot.throttled(undefined);
      slot.leave();
    }
    const [source, destination] = [new Repository(registry, 'from'), new Repository(registry, 'to')];
    await Promise.all(blobs.map((blob) => transferBlob({ source, destination, blob })));
    expect(received).toEqual([6 * MiB, 6 * MiB]);
    expect(refused.size).toBe(2);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}, 20_000);
