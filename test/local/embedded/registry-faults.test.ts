import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { request } from 'undici';
import type { Fault } from '../../../infra/local/embedded/registry/faults.ts';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import { Client, codeOf, sha256, withDigest } from './registry-client.ts';

let registry: Registry;
let client: Client;
const name = 'faults/repo';
// Larger than what a socket buffers, so that a fault in the middle finds bytes on both sides of it.
const layer = Buffer.alloc(4 * 1024 * 1024, '0123456789');
const path = `/v2/${name}/blobs/${sha256(layer)}`;
const half = layer.length / 2;

beforeEach(async () => {
  registry = await startRegistry();
  registry.storage.putBlob(name, layer);
  client = new Client(registry.host);
});
afterEach(async () => {
  await registry.close();
});

/** Sends a GET, and returns the bytes that arrived before it broke. */
async function pull(): Promise<{ status: number; bytes: Buffer; error: string | undefined }> {
  const { statusCode, body } = await request(`http://${registry.host}${path}`);
  const chunks: Buffer[] = [];
  let error: string | undefined;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (thrown) {
    // Not `instanceof Error`: Node's own errors come from outside of jest's realm.
    error = (thrown as NodeJS.ErrnoException).code;
  }
  return { status: statusCode, bytes: Buffer.concat(chunks), error };
}

/** Bytes the registry kept of an upload whose PATCH met a fault. */
async function kept(location: string): Promise<number> {
  const range = (await client.send('GET', location)).headers.range ?? '';
  return Number(range.split('-')[1]) + 1;
}

describe('a fault in a pull', () => {
  it.each([
    ['reset', 'ECONNRESET'],
    ['finish-early', 'UND_ERR_SOCKET'],
  ] as const)('%s breaks the body in the middle, once, with %s', async (act, code) => {
    const fault = registry.faults.add({ match: { method: 'GET', path: /blobs/ }, act, afterBytes: half });
    const broken = await pull();
    expect(broken.status).toBe(200);
    expect(broken.error).toBe(code);
    expect(broken.bytes.length).toBeLessThanOrEqual(half);
    expect((await pull()).bytes.equals(layer)).toBe(true);
    expect([fault.hits, registry.faults.hits]).toEqual([1, 1]);
    expect(registry.requests.map((record) => record.fault)).toEqual([act, undefined]);
  });

  it('finish-early delivers everything before the cut', async () => {
    registry.faults.add({ act: 'finish-early', afterBytes: half });
    expect((await pull()).bytes.equals(layer.subarray(0, half))).toBe(true);
  });

  it('stall sends so much and then nothing, until the client gives up', async () => {
    registry.faults.add({ match: { path: /blobs/ }, act: 'stall', afterBytes: half });
    const { body } = await request(`http://${registry.host}${path}`);
    let seen = 0;
    const gaveUp = async (): Promise<void> => {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        seen += chunk.length;
        if (seen === half) body.destroy(new Error('gave up'));
      }
    };
    await expect(gaveUp()).rejects.toThrow('gave up');
    expect(seen).toBe(half);
  });

  it('corrupt flips one byte and keeps the length', async () => {
    registry.faults.add({ match: { path: /blobs/ }, act: 'corrupt', afterBytes: half });
    const { bytes } = await pull();
    const at = bytes.findIndex((byte, i) => byte !== layer[i]);
    expect([bytes.length, at]).toEqual([layer.length, half]);
    expect(bytes.subarray(at + 1).equals(layer.subarray(at + 1))).toBe(true);
    expect((await pull()).bytes.equals(layer)).toBe(true);
  });

  it('truncate is a complete answer of fewer bytes', async () => {
    registry.faults.add({ match: { path: /blobs/ }, act: 'truncate', afterBytes: 100 });
    const { bytes, error } = await pull();
    expect([bytes.length, error]).toEqual([100, undefined]);
    expect((await pull()).bytes.length).toBe(layer.length);
  });

  it('an answer takes the place of the real one', async () => {
    registry.faults.add({ act: { status: 503, headers: { 'retry-after': '1' }, body: 'busy' } });
    const reply = await client.send('GET', path);
    expect([reply.status, reply.headers['retry-after'], reply.body.toString()]).toEqual([503, '1', 'busy']);
    expect((await client.send('GET', path)).status).toBe(200);
  });

  it('reaches the blob host that blobs are redirected to', async () => {
    registry.quirks.redirectBlobs = {};
    registry.faults.add({ match: { path: /^\/blobs\// }, act: { status: 500 } });
    const location = (await client.send('GET', path)).headers.location ?? '';
    expect((await client.send('GET', location)).status).toBe(500);
    expect((await client.send('GET', location)).status).toBe(200);
  });
});

describe('a fault before the request is read', () => {
  it.each(['reset', 'finish-early'] as const)('%s leaves it without an answer', async (act) => {
    registry.faults.add({ match: { path: /manifests/ }, act });
    await expect(client.send('GET', `/v2/${name}/manifests/v1`)).rejects.toThrow();
    expect(registry.requests.at(-1)).toMatchObject({ status: 0, fault: act });
  });

  it('stall leaves it waiting', async () => {
    registry.faults.add({ match: { path: /manifests/ }, act: 'stall' });
    const cut = new AbortController();
    const waiting = request(`http://${registry.host}/v2/${name}/manifests/v1`, { signal: cut.signal });
    const other = await client.send('GET', '/v2/');
    cut.abort(new Error('gave up'));
    await expect(waiting).rejects.toThrow('gave up');
    expect(other.status).toBe(200);
  });
});

describe('a fault in a push', () => {
  const patch = async (location: string) => await client.send('PATCH', location, { body: layer });
  const order = (act: Fault['act'], method = 'PATCH'): void => {
    registry.faults.add({ match: { method }, act, afterBytes: half });
  };

  it.each(['reset', 'finish-early'] as const)('%s breaks the body, and what arrived before is kept', async (act) => {
    const location = await client.begin(name);
    order(act);
    await expect(patch(location)).rejects.toThrow();
    expect(await kept(location)).toBe(half);
    const rest = { headers: { 'content-range': `${half}-${layer.length - 1}` }, body: layer.subarray(half) };
    const put = await client.send('PUT', withDigest(location, sha256(layer)), rest);
    expect(put.status).toBe(201);
  });

  it('stall takes so much and never answers', async () => {
    const location = await client.begin(name);
    order('stall');
    const cut = new AbortController();
    const waiting = request(`http://${registry.host}${location}`, { method: 'PATCH', body: layer, signal: cut.signal });
    const settled = waiting.then(
      () => 'answered',
      () => 'cut',
    );
    for (let i = 0; i < 200 && registry.faults.hits === 0; i++) await client.send('GET', '/v2/');
    expect(await kept(location)).toBe(half);
    cut.abort();
    expect(await settled).toBe('cut');
  });

  it('corrupt damages what is kept, so that the digest refuses it', async () => {
    order('corrupt', 'PUT');
    expect(codeOf(await client.pushBlob('faults/other', layer))).toBe('DIGEST_INVALID');
    expect((await client.pushBlob('faults/other', layer)).status).toBe(201);
  });

  it('truncate loses the rest and says nothing', async () => {
    const location = await client.begin(name);
    order('truncate');
    expect((await patch(location)).status).toBe(202);
    expect(await kept(location)).toBe(half);
  });

  it('answers after a number of bytes, and keeps the connection', async () => {
    const location = await client.begin(name);
    order({ status: 502 });
    expect((await patch(location)).status).toBe(502);
    expect(await kept(location)).toBe(half);
  });

  it('an answer that needs no byte comes at once, and the connection lives on', async () => {
    const location = await client.begin(name);
    registry.faults.add({ match: { method: 'PATCH' }, act: { status: 429 } });
    expect((await patch(location)).status).toBe(429);
    expect((await patch(location)).status).toBe(202);
    expect(await kept(location)).toBe(layer.length);
  });

  it('a writer that lingers cannot spoil what a later one resumes', async () => {
    const location = await client.begin(name);
    const resumed = Promise.withResolvers<undefined>();
    const lingering = (async function* () {
      yield await Promise.resolve(layer.subarray(0, 1000));
      await resumed.promise;
      yield layer.subarray(1000, 2000);
    })();
    const first = client.send('PATCH', location, { body: lingering });
    for (let i = 0; i < 200 && (await kept(location)) < 1000; i++) await client.send('GET', '/v2/');
    const headers = { 'content-range': `1000-${layer.length - 1}` };
    expect((await client.send('PATCH', location, { headers, body: layer.subarray(1000) })).status).toBe(202);
    resumed.resolve(undefined);
    await first;
    expect((await client.send('PUT', withDigest(location, sha256(layer)))).status).toBe(201);
  });

  it('a lost session is a client-visible 404', async () => {
    const location = await client.begin(name);
    registry.uploads.clear();
    expect(codeOf(await patch(location))).toBe('BLOB_UPLOAD_UNKNOWN');
  });

  it('a client that goes away leaves what it sent', async () => {
    const location = await client.begin(name);
    const cut = new AbortController();
    const arrived = (): number => registry.requests.find(({ method }) => method === 'PATCH')?.bytesIn ?? 0;
    const body = (async function* () {
      yield await Promise.resolve(layer.subarray(0, 1000));
      for (let i = 0; i < 200 && arrived() < 1000; i++) await client.send('GET', '/v2/');
      cut.abort(new Error('gone'));
      yield layer.subarray(1000);
    })();
    const options = { method: 'PATCH' as const, body: body as never, signal: cut.signal };
    await expect(request(`http://${registry.host}${location}`, options)).rejects.toThrow('gone');
    expect(await kept(location)).toBe(1000);
    expect(registry.requests.find(({ method }) => method === 'PATCH')?.status).toBe(0);
  });
});

describe('the plan of faults', () => {
  it('strikes `times` requests after skipping `skip`', async () => {
    const fault = registry.faults.add({ match: { method: 'HEAD', times: 2, skip: 1 }, act: { status: 500 } });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await client.send('HEAD', path)).status);
    expect(statuses).toEqual([200, 500, 500, 200, 200]);
    expect(fault.hits).toBe(2);
  });

  it('waits for a body that is long enough', async () => {
    registry.storage.putBlob(name, Buffer.from('short'));
    const fault = registry.faults.add({ match: { path: /blobs/ }, act: 'corrupt', afterBytes: 1000 });
    await client.send('GET', `/v2/${name}/blobs/${sha256('short')}`);
    expect(fault.hits).toBe(0);
    await pull();
    expect(fault.hits).toBe(1);
  });

  it('strikes one of two parallel requests with `times: 1`', async () => {
    registry.faults.add({ match: { path: /blobs/ }, act: 'corrupt', afterBytes: half });
    // All have arrived, and the fault applies to each, before the first is served.
    registry.quirks.latencyMs = 100;
    const pulled = await Promise.all([pull(), pull(), pull()]);
    expect(pulled.filter(({ bytes }) => !bytes.equals(layer)).length).toBe(1);
  });

  it('lifts a fault by clear', async () => {
    registry.faults.add({ act: { status: 500 } });
    registry.faults.clear();
    expect((await client.send('GET', path)).status).toBe(200);
  });
});
