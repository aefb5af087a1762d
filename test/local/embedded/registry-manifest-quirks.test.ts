import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Quirks } from '../../../infra/local/embedded/registry/quirks.ts';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import { Client, codeOf, indexType, json, manifestOf, manifestType, sha256 } from './registry-client.ts';

let registry: Registry;
let client: Client;
const name = 'project/repo';
const config = Buffer.from('{}');
const layer = Buffer.from('0123456789abcdef');
const missing = sha256('nobody pushed this');
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

/** A manifest of the config blob alone, whose blob is there. */
async function putManifest(reference: string, more: object = {}, repository = name) {
  registry.storage.putBlob(repository, config);
  return await client.putManifest(repository, reference, manifestOf(config, [], more));
}

describe('manifest quirks', () => {
  it('forbiddenForMissing answers 403 to what is missing', async () => {
    set({ forbiddenForMissing: true });
    expect((await client.send('HEAD', `/v2/${name}/manifests/v1`)).status).toBe(403);
    expect((await client.send('HEAD', blobPath)).status).toBe(403);
  });

  it('missingManifestCode is the code of the 404', async () => {
    set({ missingManifestCode: 'UNKNOWN' });
    const reply = await client.send('GET', `/v2/${name}/manifests/v1`);
    expect([reply.status, codeOf(reply)]).toEqual([404, 'UNKNOWN']);
  });

  it('requireContentLengthOnManifestPut answers 411 to a body of unknown length', async () => {
    set({ requireContentLengthOnManifestPut: true });
    const body = (async function* () {
      yield await Promise.resolve(Buffer.from('{}'));
    })();
    const headers = { 'content-type': manifestType };
    expect((await client.send('PUT', `/v2/${name}/manifests/v1`, { headers, body })).status).toBe(411);
    expect((await putManifest('v1')).status).toBe(201);
  });

  it('requireManifestContentType refuses a manifest without the header', async () => {
    registry.storage.putBlob(name, config);
    const body = JSON.stringify(manifestOf(config, []));
    expect((await client.send('PUT', `/v2/${name}/manifests/v1`, { body })).status).toBe(201);
    set({ requireManifestContentType: true });
    expect((await client.send('PUT', `/v2/${name}/manifests/v1`, { body })).status).toBe(400);
    expect((await putManifest('v1')).status).toBe(201);
  });

  it('acceptDangling takes manifests whose parts are missing', async () => {
    set({ acceptDangling: true });
    expect((await client.putManifest(name, 'v1', manifestOf(config, [layer]))).status).toBe(201);
  });

  it('childrenMustExist names the missing child as ECR does', async () => {
    set({ childrenMustExist: true });
    const manifests = [{ mediaType: manifestType, digest: missing, size: 2 }];
    const reply = await client.putManifest(name, 'v1', { schemaVersion: 2, mediaType: indexType, manifests });
    expect(codeOf(reply)).toBe('ReferencedImagesNotFound');
  });

  it('honourAccept serves only what Accept names', async () => {
    set({ honourAccept: true });
    await putManifest('v1');
    const status = async (accept: string) =>
      (await client.send('GET', `/v2/${name}/manifests/v1`, { headers: { accept } })).status;
    expect(await status(indexType)).toBe(404);
    expect(await status(`${indexType}, ${manifestType};q=0.5`)).toBe(200);
  });

  it('noManifestLocation and noContentDigest leave out their header', async () => {
    set({ noManifestLocation: true, noContentDigest: true });
    const put = await putManifest('v1');
    expect(put.headers).not.toHaveProperty('location');
    for (const method of ['GET', 'HEAD']) {
      const reply = await client.send(method, `/v2/${name}/manifests/v1`);
      expect(reply.headers).not.toHaveProperty('docker-content-digest');
    }
    expect(put.headers).not.toHaveProperty('docker-content-digest');
  });

  it('unreliableManifestHead tells no length', async () => {
    set({ unreliableManifestHead: true });
    await putManifest('v1');
    expect((await client.send('HEAD', `/v2/${name}/manifests/v1`)).headers['content-length']).toBe('0');
  });

  it('maxManifestBytes is the largest manifest', async () => {
    set({ maxManifestBytes: 100 });
    expect((await putManifest('v1')).status).toBe(413);
  });

  it('immutableTags keeps a tag, accepts the same digest again, and returns the configured status', async () => {
    set({ immutableTags: {} });
    await putManifest('v1');
    expect((await putManifest('v1')).status).toBe(201);
    const reply = await putManifest('v1', { annotations: { a: 'b' } });
    expect([reply.status, codeOf(reply)]).toEqual([400, 'ImageTagAlreadyExists']);
    set({ immutableTags: { status: 409, code: 'DENIED' } });
    const other = await putManifest('v1', { annotations: { a: 'b' } });
    expect([other.status, codeOf(other)]).toEqual([409, 'DENIED']);
    expect(registry.storage.resolve(name, 'v1')).toBe(sha256(JSON.stringify(manifestOf(config, []))));
  });

  it('manifestPutsPerSecond answers 429 to more', async () => {
    set({ manifestPutsPerSecond: 0 });
    expect(codeOf(await putManifest('v1'))).toBe('TOOMANYREQUESTS');
    set({ manifestPutsPerSecond: 1000 });
    expect((await putManifest('v1')).status).toBe(201);
  });
});

describe('repository, list and referrer quirks', () => {
  it('createRepositories: false wants repositories to exist', async () => {
    set({ createRepositories: false });
    expect(codeOf(await client.send('POST', `/v2/${name}/blobs/uploads/`))).toBe('NAME_UNKNOWN');
    expect(codeOf(await client.putManifest(name, 'v1', manifestOf(config, [])))).toBe('NAME_UNKNOWN');
    registry.storage.createRepository(name);
    expect((await putManifest('v1')).status).toBe(201);
  });

  it('maxPageSize cuts pages whatever n says', async () => {
    set({ maxPageSize: 2 });
    for (const tag of ['a', 'b', 'c']) await putManifest(tag);
    const reply = await client.send('GET', `/v2/${name}/tags/list?n=100`);
    expect((json(reply) as { tags: string[] }).tags).toEqual(['a', 'b']);
    expect(reply.headers.link).toContain('last=b');
  });

  it('noReferrers answers 404 and does not confirm a subject', async () => {
    set({ noReferrers: true });
    expect((await client.send('GET', `/v2/${name}/referrers/${missing}`)).status).toBe(404);
    const subject = { mediaType: manifestType, digest: missing, size: 1 };
    expect((await putManifest('sig', { subject })).headers).not.toHaveProperty('oci-subject');
  });

  it('referrersPageSize links to the rest', async () => {
    set({ referrersPageSize: 2 });
    const subject = { mediaType: manifestType, digest: missing, size: 1 };
    for (const tag of ['a', 'b', 'c']) await putManifest(tag, { subject, annotations: { tag } });
    const first = await client.send('GET', `/v2/${name}/referrers/${missing}`);
    const link = /^<([^>]+)>/.exec(first.headers.link ?? '')?.[1] ?? '';
    const second = await client.send('GET', link);
    const digests = [first, second].flatMap((reply) => (json(reply) as { manifests: { digest: string }[] }).manifests);
    expect(new Set(digests.map(({ digest }) => digest)).size).toBe(3);
    expect(second.headers).not.toHaveProperty('link');
  });

  it('rejectSubject refuses manifests with a subject only', async () => {
    set({ rejectSubject: 405 });
    const subject = { mediaType: manifestType, digest: missing, size: 1 };
    expect((await putManifest('sig', { subject })).status).toBe(405);
    expect((await putManifest('v1')).status).toBe(201);
  });

  it('noDelete refuses DELETE', async () => {
    registry.storage.putBlob(name, layer);
    await putManifest('v1');
    set({ noDelete: true });
    expect((await client.send('DELETE', blobPath)).status).toBe(405);
    expect((await client.send('DELETE', `/v2/${name}/manifests/v1`)).status).toBe(405);
  });
});

describe('limits', () => {
  it('rateLimit counts GETs of manifests, not HEADs, and tells', async () => {
    set({ rateLimit: { limit: 2, windowSeconds: 21_600 } });
    await putManifest('v1');
    const send = async (method: string) => await client.send(method, `/v2/${name}/manifests/v1`);
    expect((await send('HEAD')).headers['ratelimit-remaining']).toBe('2;w=21600');
    expect((await send('GET')).headers['ratelimit-remaining']).toBe('1;w=21600');
    expect((await send('GET')).headers['ratelimit-limit']).toBe('2;w=21600');
    const refused = await send('GET');
    expect([refused.status, codeOf(refused)]).toEqual([429, 'TOOMANYREQUESTS']);
    expect(refused.headers).not.toHaveProperty('retry-after');
    expect((await send('HEAD')).status).toBe(200);
    expect(registry.quirks.rateLimit?.remaining).toBe(0);
  });

  it('rateLimit opens again when its window is over', async () => {
    set({ rateLimit: { limit: 1, windowSeconds: 0, remaining: 0 } });
    await putManifest('v1');
    expect((await client.send('GET', `/v2/${name}/manifests/v1`)).status).toBe(200);
  });

  it('rateLimit can answer in plain text, with Retry-After in seconds or as a date', async () => {
    const rateLimit = { limit: 1, windowSeconds: 60, remaining: 0, body: 'text' as const };
    set({ rateLimit: { ...rateLimit, retryAfter: { seconds: 7, as: 'seconds' } } });
    const reply = await client.send('GET', `/v2/${name}/manifests/v1`);
    expect(reply.headers).toMatchObject({ 'content-type': 'text/plain', 'retry-after': '7' });
    expect(reply.body.toString()).toBe('You have reached your pull rate limit.');
    set({ rateLimit: { ...rateLimit, retryAfter: { seconds: 3600, as: 'date' } } });
    const date = Date.parse((await client.send('GET', `/v2/${name}/manifests/v1`)).headers['retry-after'] ?? '');
    expect(date).toBeGreaterThan(Date.now() + 3_500_000);
  });

  it('warning comes with every answer, and latencyMs lets them all come', async () => {
    set({ warning: 'this registry retires', latencyMs: 1 });
    expect((await client.send('GET', '/v2/')).headers.warning).toBe('299 - "this registry retires"');
    expect((await client.send('GET', blobPath)).headers.warning).toBe('299 - "this registry retires"');
  });
});
