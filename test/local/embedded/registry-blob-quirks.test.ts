import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Quirks } from '../../../infra/local/embedded/registry/quirks.ts';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import { Client, codeOf, manifestOf, manifestType, sha256, sha512, withDigest } from './registry-client.ts';

let registry: Registry;
let client: Client;
const name = 'project/repo';
const config = Buffer.from('{}');
const layer = Buffer.from('0123456789abcdef');
const blobPath = `/v2/${name}/blobs/${sha256(layer)}`;

beforeEach(async () => {
  registry = await startRegistry();
  client = new Client(registry.host);
});
afterEach(async () => {
  await registry.close();
});

function set(quirks: Quirks): void {
  Object.assign(registry.quirks, quirks);
}

/** A chunk with its `Content-Range`. */
async function patch(location: string, first: number, end: number) {
  const headers = { 'content-range': `${first}-${end - 1}` };
  return await client.send('PATCH', location, { headers, body: layer.subarray(first, end) });
}

describe('upload quirks', () => {
  it('noChunked takes one streamed PATCH, and neither Content-Range nor a second PATCH', async () => {
    set({ noChunked: true });
    const location = await client.begin(name);
    expect(codeOf(await patch(location, 0, 8))).toBe('UNSUPPORTED');
    expect((await client.send('PATCH', location, { body: layer.subarray(0, 8) })).status).toBe(202);
    expect((await client.send('PATCH', location, { body: layer.subarray(8) })).status).toBe(400);
  });

  it('maxPutBytes answers 413 to a larger PUT, declared or not, and spares PATCH', async () => {
    set({ maxPutBytes: 15 });
    expect((await client.pushBlob(name, layer)).status).toBe(413);
    const stream = (async function* () {
      yield await Promise.resolve(layer);
    })();
    const undeclared = withDigest(await client.begin(name), sha256(layer));
    expect((await client.send('PUT', undeclared, { body: stream })).status).toBe(413);
    const location = await client.begin(name);
    await client.send('PATCH', location, { body: layer });
    expect((await client.send('PUT', withDigest(location, sha256(layer)))).status).toBe(201);
  });

  it('maxChunkBytes answers 416 to a larger chunk, and spares a PATCH without Content-Range', async () => {
    set({ maxChunkBytes: 8 });
    const location = await client.begin(name);
    expect((await patch(location, 0, 9)).status).toBe(416);
    expect((await patch(location, 0, 8)).status).toBe(202);
    expect((await client.send('PATCH', location, { body: Buffer.concat([layer, layer]) })).status).toBe(202);
  });

  it('minChunkBytes is announced, and a short chunk must be the last', async () => {
    set({ minChunkBytes: 8, maxChunkBytes: 12, announceMaxChunk: true });
    const reply = await client.send('POST', `/v2/${name}/blobs/uploads/`);
    expect(reply.headers).toMatchObject({ 'oci-chunk-min-length': '8', 'oci-chunk-max-length': '12' });
    const location = reply.headers.location ?? '';
    expect((await patch(location, 0, 10)).status).toBe(202);
    expect((await patch(location, 10, 12)).status).toBe(202);
    expect((await patch(location, 12, 16)).status).toBe(416);
  });

  it('requireChunkLength answers 400 to a chunk of unknown length', async () => {
    set({ requireChunkLength: true });
    const body = (async function* () {
      yield await Promise.resolve(layer);
    })();
    const reply = await client.send('PATCH', await client.begin(name), { headers: { 'content-range': '0-15' }, body });
    expect([reply.status, codeOf(reply)]).toEqual([400, 'CONTENT_LENGTH_INVALID']);
  });

  it('ignoreContentRange appends chunks in the order they come', async () => {
    set({ ignoreContentRange: true });
    expect((await patch(await client.begin(name), 8, 16)).status).toBe(202);
  });

  it('patchStatus is what PATCH answers', async () => {
    for (const patchStatus of [201, 202, 204] as const) {
      set({ patchStatus });
      expect((await patch(await client.begin(name), 0, 16)).status).toBe(patchStatus);
    }
  });

  it('frozenRange stays at the first chunk though all bytes are kept', async () => {
    set({ frozenRange: true });
    const location = await client.begin(name);
    expect((await patch(location, 0, 4)).headers.range).toBe('0-3');
    expect((await patch(location, 4, 16)).headers.range).toBe('0-3');
    expect((await client.send('GET', location)).headers.range).toBe('0-3');
    expect((await client.send('PUT', withDigest(location, sha256(layer)))).status).toBe(201);
  });

  it('uploadStatusNotFound hides the upload from GET only', async () => {
    set({ uploadStatusNotFound: true });
    const location = await client.begin(name);
    expect(codeOf(await client.send('GET', location))).toBe('BLOB_UPLOAD_UNKNOWN');
    expect((await patch(location, 0, 16)).status).toBe(202);
  });

  it('uploadLifetimeMs ends an upload', async () => {
    const location = await client.begin(name);
    expect((await patch(location, 0, 8)).status).toBe(202);
    set({ uploadLifetimeMs: 0 });
    expect(codeOf(await patch(location, 8, 16))).toBe('BLOB_UPLOAD_UNKNOWN');
  });

  it('postPutNotFound answers 404 to POST and PUT, and takes PATCH and PUT', async () => {
    set({ postPutNotFound: true });
    expect((await client.pushBlob(name, layer)).status).toBe(404);
    const location = await client.begin(name);
    await client.send('PATCH', location, { body: layer });
    expect((await client.send('PUT', withDigest(location, sha256(layer)))).status).toBe(201);
  });

  it('noSinglePost ignores the body of a POST', async () => {
    set({ noSinglePost: true });
    const path = withDigest(`/v2/${name}/blobs/uploads/`, sha256(layer));
    expect((await client.send('POST', path, { body: layer })).status).toBe(202);
    expect(registry.storage.blob(name, sha256(layer))).toBeUndefined();
  });

  it('locationSingleUse forgets a Location once it was used', async () => {
    set({ locationSingleUse: true });
    const first = await client.begin(name);
    const second = (await patch(first, 0, 8)).headers.location ?? '';
    expect((await patch(first, 8, 16)).status).toBe(404);
    expect((await patch(second, 8, 16)).status).toBe(202);
  });

  it('absoluteLocation is a whole URL, and locationScheme its scheme', async () => {
    set({ absoluteLocation: true });
    expect(await client.begin(name)).toMatch(`http://${registry.host}/v2/`);
    expect((await client.pushBlob(name, layer)).status).toBe(201);
    set({ locationScheme: 'https' });
    expect(await client.begin(name)).toMatch(`https://${registry.host}/v2/`);
  });
});

describe('mount quirks', () => {
  const mount = async (from: string | undefined, to = name) =>
    await client.send('POST', `/v2/${to}/blobs/uploads/?mount=${sha256(layer)}${from ? `&from=${from}` : ''}`);

  beforeEach(() => {
    registry.storage.putBlob('project/base', layer);
  });

  it('starts an upload in place of a mount with `no`', async () => {
    set({ mount: 'no' });
    expect((await mount('project/base')).status).toBe(202);
  });

  it('afterManifest mounts once a manifest in the source points at the blob', async () => {
    set({ mount: 'afterManifest' });
    expect((await mount('project/base')).status).toBe(202);
    const manifest = Buffer.from(JSON.stringify(manifestOf(config, [layer])));
    registry.storage.putManifest('project/base', manifestType, manifest);
    expect((await mount('project/base')).status).toBe(201);
  });

  it('unauthorizedFrom answers 401 for another project and mounts within one', async () => {
    set({ mount: 'unauthorizedFrom' });
    expect((await mount('elsewhere/base')).status).toBe(401);
    expect((await mount('project/base')).status).toBe(201);
  });

  it('anonymousMount finds the blob wherever it is', async () => {
    expect((await mount(undefined)).status).toBe(202);
    set({ anonymousMount: true });
    expect((await mount(undefined)).status).toBe(201);
  });

  it('mountRequiresFrom answers 400 without', async () => {
    set({ mountRequiresFrom: true });
    expect((await mount(undefined)).status).toBe(400);
    expect((await mount('project/base')).status).toBe(201);
  });

  it('sharedBlobs shows a referenced blob in every repository', async () => {
    set({ sharedBlobs: true });
    expect((await client.send('HEAD', blobPath)).status).toBe(404);
    const manifest = Buffer.from(JSON.stringify(manifestOf(config, [layer])));
    registry.storage.putManifest('project/base', manifestType, manifest);
    expect((await client.send('HEAD', blobPath)).status).toBe(200);
  });
});

describe('blob quirks', () => {
  beforeEach(() => {
    registry.storage.putBlob(name, layer);
  });

  it('blobHeadUnauthorized answers 401 to HEAD and serves GET', async () => {
    set({ blobHeadUnauthorized: true });
    expect((await client.send('HEAD', blobPath)).status).toBe(401);
    expect((await client.send('GET', blobPath)).body).toEqual(layer);
  });

  it('redirectBlobs leads to another origin that refuses credentials', async () => {
    set({ redirectBlobs: {} });
    const { status, headers } = await client.send('GET', blobPath);
    const location = headers.location ?? '';
    expect(status).toBe(307);
    expect(new URL(location).host).not.toBe(registry.host);
    const range = { range: 'bytes=4-7' };
    const partial = await client.send('GET', location, { headers: range });
    expect([partial.status, partial.body.toString()]).toEqual([206, '4567']);
    const twice = await client.send('GET', location, { headers: { authorization: 'Bearer token' } });
    expect(twice.status).toBe(400);
    expect((await client.send('GET', location.replace(/Signature=.*/, 'Signature=guess'))).status).toBe(403);
    expect((await client.send('HEAD', blobPath)).status).toBe(200);
    const logged = registry.requests.filter(({ server }) => server === 'blobs');
    expect(logged.map((record) => record.status)).toEqual([206, 400, 403]);
    expect(JSON.stringify(logged)).not.toContain(location.split('Signature=')[1]);
  });

  it('redirectBlobs signs for a time, and for a number of uses', async () => {
    set({ redirectBlobs: { expiresSeconds: 0 } });
    const expired = (await client.send('GET', blobPath)).headers.location ?? '';
    expect((await client.send('GET', expired)).status).toBe(403);
    set({ redirectBlobs: { uses: 1 } });
    const once = (await client.send('GET', blobPath)).headers.location ?? '';
    expect((await client.send('GET', once)).body).toEqual(layer);
    expect((await client.send('GET', once)).status).toBe(403);
  });

  it('noRange answers 200 with everything', async () => {
    set({ noRange: true });
    const reply = await client.send('GET', blobPath, { headers: { range: 'bytes=4-' } });
    expect([reply.status, reply.body]).toEqual([200, layer]);
    expect(reply.headers['accept-ranges']).toBeUndefined();
  });

  it('sha256Only refuses sha512', async () => {
    set({ sha256Only: true });
    expect(codeOf(await client.pushBlob(name, layer, sha512(layer)))).toBe('DIGEST_INVALID');
  });
});
