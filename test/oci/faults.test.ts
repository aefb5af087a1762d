import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Repository } from '../../functions/oci/manifests.ts';
import { type Profile, profileOf, type UploadWay } from '../../functions/oci/profile.ts';
import type { Act, Fault } from '../../infra/local/embedded/registry/faults.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { always, connect, copy, disconnect, errorOf, expectWhole } from './connect.ts';
import { storedImage } from './stored-images.ts';

const MiB = 1024 * 1024;
const name = 'harness/ci-addon';
const mirror = 'mirror/ci-addon';
/** Larger than what sockets buffer. */
const image = storedImage([Buffer.alloc(16 * MiB, 'large'), Buffer.alloc(2 * MiB, 'medium'), Buffer.from('small')]);
const [, large = ''] = image.blobs.keys();
const size = [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0);

const user = { username: 'ada', password: 's3cret' };
const auth = { kind: 'bearer', users: { ada: 's3cret' } } as const;
/** Limits of time that a test can wait for, in milliseconds. */
const soon = { bodyIdleMs: 500, headersMs: 2_000 };

let from: EmbeddedRegistry;
let to: EmbeddedRegistry;
beforeEach(async () => {
  [from, to] = await Promise.all([startRegistry({ auth }), startRegistry({ auth })]);
  from.putImage(name, '1', image);
});
afterEach(async () => {
  await disconnect();
  await Promise.all([from.close(), to.close()]);
});

function repositories(way: UploadWay): { source: Repository; destination: Repository } {
  const profile: Profile = {
    ...profileOf('registry.acme.com'),
    ...(way !== 'put' && { maxPut: MiB, large: way, chunkBytes: 4 * MiB }),
  };
  const options = { credentials: always(user), retry: { attempts: 5, baseMs: 0, maxMs: 0 } };
  return {
    source: { registry: connect(from.host, options, soon), name },
    destination: { registry: connect(to.host, { ...options, profile }, soon), name: mirror },
  };
}

const pull = { method: 'GET', path: new RegExp(large) };
/** The request that carries the large blob. */
const push = (way: UploadWay) => ({ method: way === 'put' ? 'PUT' : 'PATCH', path: /\/uploads\// });
const manifestPut = { method: 'PUT', path: /\/manifests\// };
const throttled = { status: 429, headers: { 'retry-after': '0' } };
const forgotten = { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"gone"}]}' };
const eachPull = (act: Act): Fault[] =>
  [...image.blobs.keys()].map((digest) => ({ match: { method: 'GET', path: new RegExp(digest) }, act }));

/** The faults that peers were measured with, and the stalls that none of them survives. */
const sourceFaults: [string, Fault[]][] = [
  ['a reset half-way', [{ match: pull, act: 'reset', afterBytes: 8 * MiB }]],
  ['an end half-way', [{ match: pull, act: 'finish-early', afterBytes: 8 * MiB }]],
  ['a stall half-way', [{ match: pull, act: 'stall', afterBytes: 8 * MiB }]],
  ['a corrupted body', [{ match: pull, act: 'corrupt', afterBytes: 8 * MiB }]],
  ['429 with Retry-After for each blob', eachPull(throttled)],
  ['429 without Retry-After for each blob', eachPull({ status: 429 })],
  ['503 for each blob', eachPull({ status: 503 })],
  ['502 for each blob', eachPull({ status: 502 })],
  ['503 for the manifest', [{ match: { method: 'GET', path: /\/manifests\// }, act: { status: 503 } }]],
];
const destinationFaults: [string, (way: UploadWay) => Fault][] = [
  ['503 for the start of an upload', () => ({ match: { method: 'POST' }, act: { status: 503 } })],
  ['a reset in the middle', (way) => ({ match: push(way), act: 'reset', afterBytes: 3 * MiB })],
  ['a stall in the middle', (way) => ({ match: push(way), act: 'stall', afterBytes: 3 * MiB })],
  ['503 in the middle', (way) => ({ match: push(way), act: { status: 503 }, afterBytes: 3 * MiB })],
  ['429 for an upload', (way) => ({ match: push(way), act: throttled })],
  ['a session that is lost', (way) => ({ match: push(way), act: forgotten })],
  ['503 for the manifest', () => ({ match: manifestPut, act: { status: 503 } })],
  ['429 for the manifest', () => ({ match: manifestPut, act: throttled })],
];

async function expectCopied(way: UploadWay): Promise<void> {
  const there = repositories(way);
  const totals = await copy(there.source, '1', there.destination, { stallMs: 500 });
  expect(from.faults.hits + to.faults.hits).toBeGreaterThan(0);
  expectWhole(to, mirror, image);
  expect(to.storage.resolve(mirror, '1')).toBe(image.digest);
  expect(totals).toEqual({ bytesTransferred: size, bytesSkipped: 0, confirmed: true });
  expect(to.uploads.size).toBe(0);
}

describe('an image arrives whole in spite of a source with', () => {
  it.each(sourceFaults)('%s', async (_, faults) => {
    faults.forEach((fault) => from.faults.add(fault));
    await expectCopied('put');
  });

  it('a reset half-way that ignores Range', async () => {
    from.quirks.noRange = true;
    from.faults.add({ match: pull, act: 'reset', afterBytes: 8 * MiB });
    await expectCopied('put');
  });

  it('a token that dies in the middle', async () => expectTokenRenewed(from, 'put'));
});

describe.each<UploadWay>(['put', 'patch', 'chunk'])('sent by %s, an image', (way) => {
  it.each(destinationFaults)('arrives whole in spite of a destination with %s', async (_, fault) => {
    to.faults.add(fault(way));
    await expectCopied(way);
  });

  it('arrives whole in spite of a destination with a token that dies in the middle', async () =>
    expectTokenRenewed(to, way));

  it('that stays corrupt at its source completes no blob', async () => {
    from.faults.add({ match: { ...pull, times: 99 }, act: 'corrupt', afterBytes: 16 * MiB - 1 });
    const there = repositories(way);
    expect(await errorOf(copy(there.source, '1', there.destination))).toMatchObject({ name: 'DigestMismatch' });
    expect(to.storage.blob(mirror, large)).toBeUndefined();
    const completed = to.requests.filter(
      ({ query, status }) => query.includes(encodeURIComponent(large)) && status === 201,
    );
    expect(completed).toEqual([]);
    expect(to.storage.tags(mirror)).toEqual([]);
  });
});

async function expectTokenRenewed(registry: EmbeddedRegistry, way: UploadWay): Promise<void> {
  const there = repositories(way);
  let expired = false;
  const onProgress = () => {
    if (!expired) registry.tokens.expireAll();
    expired = true;
  };
  await copy(there.source, '1', there.destination, { onProgress });
  // Once without a token, to learn where to get one, and once with the one that died.
  const refused = registry.requests.filter(({ status, headers }) => status === 401 && headers['authorization']);
  expect(refused.length).toBeGreaterThan(0);
  expectWhole(to, mirror, image);
}

describe('a source that breaks off in the middle of a blob', () => {
  // What a reset takes away was lost on the way: only these lose nothing.
  it.each<Act>(['finish-early', 'truncate', 'stall'])('by %s sends hardly a byte twice', async (act) => {
    from.faults.add({ match: pull, act, afterBytes: 8 * MiB });
    const there = repositories('put');
    await copy(there.source, '1', there.destination);
    expectWhole(to, mirror, image);
    const sent = from.requests.filter(({ path }) => path.includes('/blobs/')).reduce((sum, r) => sum + r.bytesOut, 0);
    expect(sent / size).toBeLessThanOrEqual(1.02);
    // No upload was begun anew.
    expect(to.requests.filter(({ method, status }) => method === 'POST' && status === 202)).toHaveLength(
      image.blobs.size,
    );
  });
});
