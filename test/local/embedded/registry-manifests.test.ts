import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startRegistry, type Registry } from '../../../infra/local/embedded/registry/server.ts';
import { Client, codeOf, indexType, json, manifestOf, manifestType, sha256, sha512 } from './registry-client.ts';

// The cases are those of distribution-spec's conformance suite, written as promises.
let registry: Registry;
let client: Client;
let count = 0;
/** A new repository for each test. */
let name: string;

const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
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

async function pushImage(reference: string, more: object = {}): Promise<{ digest: string; bytes: string }> {
  await client.pushBlob(name, config);
  await client.pushBlob(name, layer);
  const manifest = manifestOf(config, [layer], more);
  const bytes = JSON.stringify(manifest);
  const reply = await client.putManifest(name, reference, manifest);
  expect(reply.status).toBe(201);
  return { digest: sha256(bytes), bytes };
}

describe('a manifest', () => {
  it('comes back byte for byte, by tag and by digest', async () => {
    const { digest, bytes } = await pushImage('v1');
    for (const reference of ['v1', digest, digest.replace(':', '%3A')]) {
      const reply = await client.send('GET', `/v2/${name}/manifests/${reference}`);
      expect(reply.status).toBe(200);
      expect(reply.body.toString()).toBe(bytes);
      expect(reply.headers['content-type']).toBe(manifestType);
      expect(reply.headers['docker-content-digest']).toBe(digest);
    }
  });

  it('tells its length, type and digest to HEAD', async () => {
    const { digest, bytes } = await pushImage('v1');
    const reply = await client.send('HEAD', `/v2/${name}/manifests/v1`);
    expect(reply.headers['content-length']).toBe(String(bytes.length));
    expect(reply.headers['docker-content-digest']).toBe(digest);
    expect(reply.headers['content-type']).toBe(manifestType);
  });

  it('can be pushed by digest, and then has no tag', async () => {
    await client.pushBlob(name, config);
    const manifest = manifestOf(config, []);
    const digest = sha256(JSON.stringify(manifest));
    const reply = await client.putManifest(name, digest, manifest);
    expect([reply.status, reply.headers.location]).toEqual([201, `/v2/${name}/manifests/${digest}`]);
    expect(registry.storage.tags(name)).toEqual([]);
  });

  it('can be pushed by its sha512', async () => {
    await client.pushBlob(name, config);
    const manifest = manifestOf(config, []);
    const digest = sha512(JSON.stringify(manifest));
    expect((await client.putManifest(name, digest, manifest)).headers['docker-content-digest']).toBe(digest);
    expect((await client.send('HEAD', `/v2/${name}/manifests/${digest}`)).status).toBe(200);
  });

  it('refuses a manifest under the digest of another', async () => {
    await client.pushBlob(name, config);
    const reply = await client.putManifest(name, missing, manifestOf(config, []));
    expect([reply.status, codeOf(reply)]).toEqual([400, 'DIGEST_INVALID']);
  });

  it('refuses a manifest whose blobs or children are missing', async () => {
    const reply = await client.putManifest(name, 'v1', manifestOf(config, [layer]));
    expect([reply.status, codeOf(reply)]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
    const manifests = [{ mediaType: manifestType, digest: missing, size: 2 }];
    const index = await client.putManifest(name, 'v1', { schemaVersion: 2, mediaType: indexType, manifests });
    expect(codeOf(index)).toBe('MANIFEST_BLOB_UNKNOWN');
    expect(registry.storage.tags(name)).toEqual([]);
  });

  it('may have layers that live elsewhere', async () => {
    await client.pushBlob(name, config);
    const foreign = { mediaType: 'application/x', digest: missing, size: 1, urls: ['https://example.com/layer'] };
    const reply = await client.putManifest(name, 'v1', { ...manifestOf(config, []), layers: [foreign] });
    expect(reply.status).toBe(201);
  });

  it('refuses a document that is not a manifest', async () => {
    for (const body of [
      '',
      '[]',
      'null',
      '{"layers":{}}',
      '{"config":{}}',
      '{"layers":[null]}',
      '{"manifests":["a"]}',
    ]) {
      const headers = { 'content-type': manifestType };
      const reply = await client.send('PUT', `/v2/${name}/manifests/v1`, { headers, body });
      expect([body, reply.status, codeOf(reply)]).toEqual([body, 400, 'MANIFEST_INVALID']);
    }
  });

  it('refuses a manifest whose Content-Type differs from mediaType', async () => {
    await client.pushBlob(name, config);
    expect((await client.putManifest(name, 'v1', manifestOf(config, []), indexType)).status).toBe(400);
  });

  it('refuses a manifest above 4 MiB, or under an invalid tag', async () => {
    const big = { ...manifestOf(config, []), annotations: { filler: 'x'.repeat(4 * 1024 * 1024) } };
    expect((await client.putManifest(name, 'v1', big)).status).toBe(413);
    expect((await client.putManifest(name, '.bad', manifestOf(config, []))).status).toBe(400);
    expect((await client.send('GET', `/v2/${name}/manifests/.bad`)).status).toBe(404);
  });

  it.each([
    'application/vnd.docker.distribution.manifest.v2+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
    'application/vnd.oci.artifact.manifest.v1+json',
    indexType,
  ])('keeps the type %s', async (mediaType) => {
    await client.putManifest(name, 'v1', { schemaVersion: 2, mediaType, manifests: [], blobs: [] });
    expect((await client.send('GET', `/v2/${name}/manifests/v1`)).headers['content-type']).toBe(mediaType);
  });

  it('moves its tag when another is pushed', async () => {
    const first = await pushImage('v1');
    const second = await pushImage('v1', { annotations: { revision: '2' } });
    const digest = async (reference: string) =>
      (await client.send('HEAD', `/v2/${name}/manifests/${reference}`)).headers['docker-content-digest'];
    expect(await digest('v1')).toBe(second.digest);
    expect(await digest(first.digest)).toBe(first.digest);
  });

  it('returns 404 for a manifest that was never pushed', async () => {
    expect(codeOf(await client.send('GET', `/v2/${name}/manifests/v1`))).toBe('NAME_UNKNOWN');
    await pushImage('v1');
    expect(codeOf(await client.send('GET', `/v2/${name}/manifests/v2`))).toBe('MANIFEST_UNKNOWN');
    expect((await client.send('HEAD', `/v2/${name}/manifests/${missing}`)).status).toBe(404);
  });

  it('loses a tag, or itself with every tag', async () => {
    const { digest } = await pushImage('v1');
    await pushImage('v2');
    await pushImage('v3');
    expect((await client.send('DELETE', `/v2/${name}/manifests/v1`)).status).toBe(202);
    expect((await client.send('GET', `/v2/${name}/manifests/${digest}`)).status).toBe(200);
    expect((await client.send('DELETE', `/v2/${name}/manifests/${digest}`)).status).toBe(202);
    expect((await client.send('GET', `/v2/${name}/manifests/v2`)).status).toBe(404);
    expect(registry.storage.tags(name)).toEqual([]);
    expect((await client.send('DELETE', `/v2/${name}/manifests/v1`)).status).toBe(404);
  });
});

describe('the list of tags', () => {
  it('lists tags in lexical order', async () => {
    for (const tag of ['b', 'a', 'B', '1.10', '1.9']) await pushImage(tag);
    const reply = await client.send('GET', `/v2/${name}/tags/list`);
    expect(json(reply)).toEqual({ name, tags: ['1.10', '1.9', 'B', 'a', 'b'] });
  });

  it('comes in pages whose links lead through all of them once', async () => {
    const { digest } = await pushImage('t0');
    for (let i = 1; i < 7; i++) registry.storage.tag(name, `t${i}`, digest);
    const seen: string[] = [];
    let next: string | undefined = `/v2/${name}/tags/list?n=3`;
    for (let pages = 0; next !== undefined && pages < 5; pages++) {
      const reply = await client.send('GET', next);
      seen.push(...(json(reply) as { tags: string[] }).tags);
      next = /^<([^>]+)>; rel="next"$/.exec(reply.headers.link ?? '')?.[1];
    }
    expect(seen).toEqual(['t0', 't1', 't2', 't3', 't4', 't5', 't6']);
  });

  it('takes n=0 and last, and refuses another n', async () => {
    await pushImage('a');
    await pushImage('b');
    const tags = async (query: string) => json(await client.send('GET', `/v2/${name}/tags/list?${query}`));
    expect(await tags('n=0')).toEqual({ name, tags: [] });
    expect(await tags('last=a')).toEqual({ name, tags: ['b'] });
    expect(await tags('last=b')).toEqual({ name, tags: [] });
    expect((await client.send('GET', `/v2/${name}/tags/list?n=-1`)).status).toBe(400);
  });

  it('returns 404 for the tags of an unknown repository', async () => {
    expect(codeOf(await client.send('GET', `/v2/${name}/tags/list`))).toBe('NAME_UNKNOWN');
  });

  it('pages the catalog of repositories like the tags', async () => {
    await client.pushBlob(name, layer);
    const reply = await client.send('GET', '/v2/_catalog?n=1000');
    expect((json(reply) as { repositories: string[] }).repositories).toEqual(registry.storage.repositories());
  });
});

describe('referrers', () => {
  const refers = (digest: string, more: object = {}): object => ({
    subject: { mediaType: manifestType, digest, size: 1 },
    ...more,
  });

  it('lists referrers as an index, with type, size and annotations', async () => {
    const { digest } = await pushImage('v1');
    const annotations = { created: 'today' };
    const referrer = await pushImage('sig', refers(digest, { artifactType: 'application/x.signature', annotations }));
    const reply = await client.send('GET', `/v2/${name}/referrers/${digest}`);
    expect(reply.headers['content-type']).toBe(indexType);
    expect(json(reply)).toEqual({
      schemaVersion: 2,
      mediaType: indexType,
      manifests: [
        {
          mediaType: manifestType,
          digest: referrer.digest,
          size: referrer.bytes.length,
          artifactType: 'application/x.signature',
          annotations,
        },
      ],
    });
  });

  it('can be filtered by artifact type, which the config stands in for', async () => {
    const { digest } = await pushImage('v1');
    await pushImage('a', refers(digest, { artifactType: 'application/x.a' }));
    const plain = await pushImage('b', refers(digest));
    const type = encodeURIComponent('application/vnd.oci.image.config.v1+json');
    const reply = await client.send('GET', `/v2/${name}/referrers/${digest}?artifactType=${type}`);
    expect(reply.headers['oci-filters-applied']).toBe('artifactType');
    expect((json(reply) as { manifests: { digest: string }[] }).manifests.map((m) => m.digest)).toEqual([plain.digest]);
  });

  it('confirms referrers when they are pushed, even before their subject', async () => {
    await client.pushBlob(name, config);
    const reply = await client.putManifest(name, 'sig', manifestOf(config, [], refers(missing)));
    expect([reply.status, reply.headers['oci-subject']]).toEqual([201, missing]);
  });

  it('lists no referrers as an empty index, and drops deleted ones', async () => {
    const { digest } = await pushImage('v1');
    const referrer = await pushImage('sig', refers(digest));
    await client.send('DELETE', `/v2/${name}/manifests/${referrer.digest}`);
    for (const path of [`${name}/referrers/${digest}`, `conformance/nowhere/referrers/${missing}`]) {
      const reply = await client.send('GET', `/v2/${path}`);
      expect(reply.status).toBe(200);
      expect((json(reply) as { manifests: unknown[] }).manifests).toEqual([]);
    }
    expect((await client.send('GET', `/v2/${name}/referrers/latest`)).status).toBe(400);
  });
});

describe('the request log', () => {
  it('tells what arrived, in order, without secrets', async () => {
    registry.requests.length = 0;
    await client.send('GET', `/v2/${name}/tags/list?n=5`, {
      headers: { authorization: 'Basic c2VjcmV0', cookie: 'a=b' },
    });
    await client.pushBlob(name, layer);
    const [list, post, put] = registry.requests;
    expect(list).toMatchObject({ method: 'GET', path: `/v2/${name}/tags/list`, query: 'n=5', status: 404 });
    expect(list?.headers.authorization).toBe('Basic');
    expect(JSON.stringify(registry.requests)).not.toContain('c2VjcmV0');
    expect(list?.headers.cookie).toBeUndefined();
    expect(post).toMatchObject({ method: 'POST', status: 202, bytesIn: 0 });
    expect(put).toMatchObject({ method: 'PUT', status: 201, bytesIn: layer.length });
    await client.send('GET', `/v2/${name}/blobs/${sha256(layer)}`);
    expect(registry.requests.at(-1)).toMatchObject({ status: 200, bytesOut: layer.length });
  });
});
