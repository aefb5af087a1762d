import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRange } from '../../../infra/local/embedded/registry/byte-range.ts';
import { slice } from '../../../infra/local/embedded/registry/exchange.ts';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import { Client, codeOf, sha256, sha512, withDigest } from './registry-client.ts';

// The cases are those of distribution-spec's conformance suite, written as promises.
let registry: Registry;
let client: Client;
let count = 0;
/** A new repository for each test. */
let name: string;

const layer = Buffer.from('a layer of some bytes');
const missing = sha256('nobody pushed this');

beforeAll(async () => {
  registry = await startRegistry();
  client = new Client(registry.host);
});
beforeEach(() => {
  name = `conformance/repo-${++count}`;
});
afterAll(async () => {
  await registry.close();
});

describe('the ping', () => {
  it('answers 200 and names the API version', async () => {
    const reply = await client.send('GET', '/v2/');
    expect(reply.status).toBe(200);
    expect(reply.headers['docker-distribution-api-version']).toBe('registry/2.0');
  });

  it('answers 404 outside of the API', async () => {
    expect((await client.send('GET', '/v1/')).status).toBe(404);
    expect((await client.send('GET', '/v2/only-a-name')).status).toBe(404);
  });

  it('answers 404 to a Host that is none, and 400 to a path that is not UTF-8', async () => {
    expect((await client.send('GET', '/v2/', { headers: { host: 'no host:x' } })).status).toBe(404);
    expect((await client.send('GET', '/v2/a%ff/tags/list')).status).toBe(400);
  });

  it('refuses names the grammar does not allow', async () => {
    for (const bad of ['Upper/case', 'a//b', 'a..b', '-a', 'a/b-', `a/${'b'.repeat(255)}`]) {
      const reply = await client.send('GET', `/v2/${bad}/tags/list`);
      expect([bad, reply.status, codeOf(reply)]).toEqual([bad, 400, 'NAME_INVALID']);
    }
  });

  it('answers 405 for a method the endpoint does not have', async () => {
    const reply = await client.send('POST', `/v2/${name}/manifests/latest`);
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe('GET, HEAD, PUT, DELETE');
  });
});

describe('a blob upload', () => {
  it('takes POST and PUT', async () => {
    const reply = await client.pushBlob(name, layer);
    expect(reply.status).toBe(201);
    expect(reply.headers.location).toBe(`/v2/${name}/blobs/${sha256(layer)}`);
    expect(reply.headers['docker-content-digest']).toBe(sha256(layer));
    expect((await client.send('GET', reply.headers.location ?? '')).body).toEqual(layer);
  });

  it('takes a single POST with the digest', async () => {
    const path = withDigest(`/v2/${name}/blobs/uploads/`, sha256(layer));
    const reply = await client.send('POST', path, { body: layer });
    expect(reply.status).toBe(201);
    expect(registry.storage.blob(name, sha256(layer))?.size).toBe(layer.length);
  });

  it('takes a streamed PATCH of unknown length and a PUT without a body', async () => {
    const stream = (async function* () {
      yield await Promise.resolve(layer.subarray(0, 5));
      yield layer.subarray(5);
    })();
    const patched = await client.send('PATCH', await client.begin(name), { body: stream });
    expect(patched.status).toBe(202);
    expect(patched.headers.range).toBe(`0-${layer.length - 1}`);
    const reply = await client.send('PUT', withDigest(patched.headers.location ?? '', sha256(layer)));
    expect(reply.status).toBe(201);
  });

  it('takes chunks in order, the last of them with the PUT', async () => {
    const first = { headers: { 'content-range': '0-9' }, body: layer.subarray(0, 10) };
    const patched = await client.send('PATCH', await client.begin(name), first);
    expect([patched.status, patched.headers.range]).toEqual([202, '0-9']);
    const last = { headers: { 'content-range': `10-${layer.length - 1}` }, body: layer.subarray(10) };
    const reply = await client.send('PUT', withDigest(patched.headers.location ?? '', sha256(layer)), last);
    expect(reply.status).toBe(201);
    expect(Buffer.concat(registry.storage.blob(name, sha256(layer))?.chunks ?? [])).toEqual(layer);
  });

  it('refuses a chunk out of order with 416 and tells where it stands', async () => {
    const location = await client.begin(name);
    const chunk = { headers: { 'content-range': '5-9' }, body: layer.subarray(5, 10) };
    const early = await client.send('PATCH', location, chunk);
    expect(early.status).toBe(416);
    await client.send('PATCH', location, { headers: { 'content-range': '0-4' }, body: layer.subarray(0, 5) });
    const again = await client.send('PATCH', location, {
      headers: { 'content-range': '0-4' },
      body: layer.subarray(0, 5),
    });
    expect([again.status, again.headers.range]).toEqual([416, '0-4']);
    expect((await client.send('PATCH', again.headers.location ?? '', chunk)).headers.range).toBe('0-9');
  });

  it('refuses a final PUT out of order with 416', async () => {
    const location = withDigest(await client.begin(name), sha256(layer));
    const reply = await client.send('PUT', location, { headers: { 'content-range': '3-23' }, body: layer });
    expect(reply.status).toBe(416);
  });

  it('refuses a chunk whose range and length disagree, or whose range has another form', async () => {
    const location = await client.begin(name);
    const longer = await client.send('PATCH', location, { headers: { 'content-range': '0-99' }, body: layer });
    expect([longer.status, codeOf(longer)]).toEqual([400, 'SIZE_INVALID']);
    const http = { headers: { 'content-range': `bytes 0-${layer.length - 1}/*` }, body: layer };
    expect((await client.send('PATCH', location, http)).status).toBe(400);
  });

  it('tells its progress', async () => {
    const location = await client.begin(name);
    expect((await client.send('GET', location)).headers.range).toBe('0-0');
    await client.send('PATCH', location, { body: layer.subarray(0, 7) });
    const reply = await client.send('GET', location);
    expect([reply.status, reply.headers.range]).toEqual([204, '0-6']);
    expect(reply.headers.location).toContain(`/v2/${name}/blobs/uploads/`);
  });

  it('can be cancelled, and is then unknown', async () => {
    const location = await client.begin(name);
    expect((await client.send('DELETE', location)).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const reply = await client.send(method, location);
      expect([reply.status, codeOf(reply)]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    }
  });

  it('belongs to its repository', async () => {
    const location = (await client.begin(name)).replace(name, 'conformance/other');
    expect((await client.send('GET', location)).status).toBe(404);
  });

  it('refuses content with another digest and keeps nothing', async () => {
    const reply = await client.pushBlob(name, layer, missing);
    expect([reply.status, codeOf(reply)]).toEqual([400, 'DIGEST_INVALID']);
    expect(registry.storage.blobs(name)).toEqual([]);
  });

  it('refuses what is no digest', async () => {
    for (const bad of ['', 'sha256:12', 'md5:d41d8cd98f00b204e9800998ecf8427e', sha256(layer).toUpperCase()]) {
      const reply = await client.pushBlob(name, layer, bad);
      expect([bad, reply.status, codeOf(reply)]).toEqual([bad, 400, 'DIGEST_INVALID']);
    }
  });

  it('takes sha512, and blobs without a byte', async () => {
    expect((await client.pushBlob(name, layer, sha512(layer))).status).toBe(201);
    expect((await client.send('GET', `/v2/${name}/blobs/${sha512(layer)}`)).body).toEqual(layer);
    const empty = Buffer.alloc(0);
    expect((await client.pushBlob(name, empty)).status).toBe(201);
    const reply = await client.send('GET', `/v2/${name}/blobs/${sha256(empty)}`);
    expect([reply.status, reply.headers['content-length']]).toEqual([200, '0']);
  });

  it('keeps every byte of a body of many chunks', async () => {
    const large = Buffer.alloc(3_000_001, 'abcdefg');
    await client.pushBlob(name, large);
    const reply = await client.send('GET', `/v2/${name}/blobs/${sha256(large)}`);
    expect(sha256(reply.body)).toBe(sha256(large));
  });
});

describe('a mount', () => {
  it('links the blob of another repository', async () => {
    await client.pushBlob('conformance/source', layer);
    const mount = `/v2/${name}/blobs/uploads/?mount=${sha256(layer)}&from=conformance/source`;
    const reply = await client.send('POST', mount);
    expect([reply.status, reply.headers.location]).toEqual([201, `/v2/${name}/blobs/${sha256(layer)}`]);
    expect((await client.send('HEAD', reply.headers.location ?? '')).status).toBe(200);
  });

  it('begins an upload when the other repository has no such blob, or none is named', async () => {
    for (const from of ['&from=conformance/nowhere', '']) {
      const reply = await client.send('POST', `/v2/${name}/blobs/uploads/?mount=${missing}${from}`);
      expect(reply.status).toBe(202);
      const put = withDigest(reply.headers.location ?? '', sha256(layer));
      expect((await client.send('PUT', put, { body: layer })).status).toBe(201);
    }
  });
});

describe('a blob', () => {
  it('tells its length and digest to HEAD', async () => {
    await client.pushBlob(name, layer);
    const reply = await client.send('HEAD', `/v2/${name}/blobs/${sha256(layer)}`);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-length']).toBe(String(layer.length));
    expect(reply.headers['docker-content-digest']).toBe(sha256(layer));
    expect(reply.body.length).toBe(0);
  });

  it('serves a blob in ranges', async () => {
    await client.pushBlob(name, layer);
    const get = async (range: string) =>
      await client.send('GET', `/v2/${name}/blobs/${sha256(layer)}`, { headers: { range } });
    const size = layer.length;
    for (const [range, from, to] of [
      ['bytes=0-3', 0, 4],
      ['bytes=5-', 5, size],
      ['bytes=-4', size - 4, size],
      ['bytes=2-999', 2, size],
    ] as const) {
      const reply = await get(range);
      expect([range, reply.status]).toEqual([range, 206]);
      expect(reply.headers['content-range']).toBe(`bytes ${from}-${to - 1}/${size}`);
      expect(reply.body).toEqual(layer.subarray(from, to));
    }
    expect((await get('bytes=9-2')).status).toBe(200);
    expect((await get('lines=0-1')).status).toBe(200);
  });

  it('serves the same blob in any ranges', () => {
    const blob = Buffer.alloc(40, '0123456789');
    const chunks = [blob.subarray(0, 7), blob.subarray(7, 8), blob.subarray(8)];
    const index = fc.integer({ min: 0, max: blob.length - 1 });
    fc.assert(
      fc.property(index, index, (a, b) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        expect(parseRange(`bytes=${first}-${last}`, blob.length)).toEqual({ first, last });
        expect(Buffer.concat(slice(chunks, first, last + 1))).toEqual(blob.subarray(first, last + 1));
      }),
    );
  });

  it('answers 416 for a range outside of it', async () => {
    await client.pushBlob(name, layer);
    const headers = { range: `bytes=${layer.length}-` };
    const reply = await client.send('GET', `/v2/${name}/blobs/${sha256(layer)}`, { headers });
    expect([reply.status, reply.headers['content-range']]).toEqual([416, `bytes */${layer.length}`]);
  });

  it('returns 404 for a blob that was never pushed or was deleted', async () => {
    await client.pushBlob(name, layer);
    const path = `/v2/${name}/blobs/${sha256(layer)}`;
    expect((await client.send('DELETE', path)).status).toBe(202);
    expect(codeOf(await client.send('GET', path))).toBe('BLOB_UNKNOWN');
    expect((await client.send('DELETE', path)).status).toBe(404);
    expect((await client.send('HEAD', `/v2/${name}/blobs/${missing}`)).status).toBe(404);
  });

  it('stays in other repositories when one deletes it', async () => {
    await client.pushBlob(name, layer);
    await client.pushBlob(`${name}/other`, layer);
    await client.send('DELETE', `/v2/${name}/blobs/${sha256(layer)}`);
    expect((await client.send('GET', `/v2/${name}/other/blobs/${sha256(layer)}`)).body).toEqual(layer);
  });
});
