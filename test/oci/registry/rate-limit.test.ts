import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hasBlob, openBlob } from '../../../functions/oci/registry/blobs.ts';
import { getManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import { parsePullBudget, PullLimit } from '../../../functions/oci/registry/pull-budget.ts';
import { profile } from '../../../infra/local/embedded/registry/profiles.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, copy, count, disconnect, errorOf, expectWhole } from '../connect.ts';
import { storedImage } from '../stored-images.ts';

const name = 'harness/ci-addon';
const layer = Buffer.from('layer');
const image = storedImage([layer]);

let host: EmbeddedRegistry;
let other: EmbeddedRegistry;
let repository: Repository;

beforeEach(async () => {
  [host, other] = await Promise.all([startRegistry(), startRegistry()]);
  host.storage.putImage(name, '1', image);
  repository = new Repository(connect(host.host), name);
});
afterEach(async () => {
  await disconnect();
  await Promise.all([host.close(), other.close()]);
});

const limits = () => repository.registry.limits.counts();

/** Resolves when `condition` holds: some turns of the loop from now, or the test runs into its limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function throttle(times: number, retryAfter?: string, path = /manifests/): void {
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  host.faults.add({ match: { path, times }, act: { status: 429, headers } });
}

describe('a registry that answers 429', () => {
  it('gets a retry, and fewer requests at once', async () => {
    throttle(2, '0');
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    expect(limits()).toEqual({ requests: { HEAD: 3 }, retries: 2, throttles: 2, pauses: 0, mounts: 0, concurrency: 4 });
  });

  it.each([
    ['in seconds', () => '60'],
    ['as a date', () => new Date(Date.now() + 60_000).toUTCString()],
  ])('gets no request before its Retry-After, %s', async (_, retryAfter) => {
    throttle(1, retryAfter());
    const stop = new AbortController();
    const first = errorOf(resolveTag(repository, '1', { signal: stop.signal }));
    await until(() => limits().pauses === 1);
    const others = [
      errorOf(resolveTag(repository, '1', { signal: stop.signal })),
      errorOf(getManifest(repository, '1', stop.signal)),
      errorOf(openBlob(repository, digestOf(layer), 0, stop.signal)),
    ];
    // A round trip to another registry is more than these would need.
    await resolveTag(new Repository(connect(other.host), name), '1');
    stop.abort(new Error('enough'));
    for (const waiting of [first, ...others]) expect((await waiting).message).toBe('enough');
    expect(host.requests).toHaveLength(1);
  });

  it('does not delay other requests by too long a Retry-After', async () => {
    throttle(1, '7200');
    expect(await errorOf(resolveTag(repository, '1'))).toMatchObject({ retryAfterMs: 7_200_000 });
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    expect(limits()).toMatchObject({ retries: 0, throttles: 1, pauses: 0 });
  });

  it('keeps the concurrency after any other failure', async () => {
    host.faults.add({ match: { times: 2 }, act: { status: 503 } });
    await resolveTag(repository, '1');
    expect(limits()).toMatchObject({ retries: 2, throttles: 0, concurrency: 16 });
  });

  it('completes a copy in spite of responses 429', async () => {
    const index = sampleImage({ name, tag: '2', attestations: true, layerBytes: 2048 });
    host.storage.putImage(name, '2', index);
    for (const registry of [host, other]) {
      registry.faults.add({ match: { path: /blobs/, times: 5, skip: 3 }, act: { status: 429 } });
    }
    const patient = { retry: { attempts: 8, baseMs: 0, maxMs: 0 } };
    const destination = new Repository(connect(other.host, patient), name);
    await copy(new Repository(connect(host.host, patient), name), '2', destination);
    expectWhole(other, name, index);
    expect([host.faults.hits, other.faults.hits]).toEqual([5, 5]);
  });
});

describe('download slots', () => {
  const digest = digestOf(layer);
  const size = layer.length;

  it('stay taken until the body is read, dumped or destroyed', async () => {
    const open = () => openBlob(repository, digest, 0);
    const bodies = await Promise.all(Array.from({ length: 16 }, async () => (await open()).body));
    const [read, dumped, givenUp] = bodies;
    let opened = 0;
    const more = [1, 2, 3].map(async () => {
      const { body } = await open();
      opened++;
      await body.dump();
    });
    // Small requests go past.
    expect(await hasBlob(repository, { digest, size })).toBe(true);
    expect(count(host, 'GET', /blobs/)).toBe(16);
    expect(opened).toBe(0);
    await read?.arrayBuffer();
    await dumped?.dump();
    givenUp?.on('error', () => undefined).destroy();
    await Promise.all(more);
    expect(opened).toBe(3);
    await Promise.all(bodies.slice(3).map((body) => body.dump()));
  });

  it('never deadlock with uploads to the same registry', async () => {
    host.quirks.mount = 'no';
    const layers = (n: number) => Array.from({ length: 16 }, (_, i) => Buffer.alloc(100_000, `${n}/${i}`));
    const images = [1, 2, 3, 4, 5].map((n) => storedImage(layers(n)));
    await Promise.all(
      images.map(async (stored, n) => {
        host.storage.putImage(`from/${n}`, '1', stored);
        const source = new Repository(repository.registry, `from/${n}`);
        await copy(source, '1', new Repository(repository.registry, `to/${n}`));
        expectWhole(host, `to/${n}`, stored);
      }),
    );
  });
});

describe('the pull limit of Docker Hub', () => {
  const told = (headers: Record<string, string>) => parsePullBudget({ header: (key) => headers[key] });
  const budget = { limit: 100, remaining: 76, windowSeconds: 21_600 };

  it('parses the headers of the pull limit', () => {
    const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' };
    expect(told(headers)).toEqual(budget);
    expect(told({ ...headers, 'docker-ratelimit-source': '203.0.113.7' })).toEqual({
      ...budget,
      source: '203.0.113.7',
    });
  });

  it.each([
    [{}],
    [{ 'ratelimit-limit': '100;w=21600' }],
    [{ 'ratelimit-remaining': '76;w=21600' }],
    // GitLab: requests per minute
    [{ 'ratelimit-limit': '600', 'ratelimit-remaining': '599' }],
    [{ 'ratelimit-limit': '0;w=21600', 'ratelimit-remaining': '0;w=21600' }],
    [{ 'ratelimit-limit': '-100;w=21600', 'ratelimit-remaining': '76;w=21600' }],
    [{ 'ratelimit-limit': '1e2;w=21600', 'ratelimit-remaining': '76;w=21600' }],
    [{ 'ratelimit-limit': '99999999999;w=21600', 'ratelimit-remaining': '76;w=21600' }],
    [{ 'ratelimit-limit': '100;w=21600, 200;w=60', 'ratelimit-remaining': '76;w=21600' }],
  ])('ignores the headers %j', (headers) => {
    expect(told(headers)).toBeUndefined();
  });

  it('stays within sensible bounds, whatever the headers', () => {
    const number = fc.oneof(fc.nat(), fc.integer(), fc.string());
    const quota = fc.oneof(
      fc.string(),
      fc.tuple(number, number).map(([n, w]) => `${n};w=${w}`),
    );
    fc.assert(
      fc.property(quota, quota, fc.string(), (limit, remaining, source) => {
        const read = told({
          'ratelimit-limit': limit,
          'ratelimit-remaining': remaining,
          'docker-ratelimit-source': source,
        });
        if (!read) return;
        expect(read.limit).toBeGreaterThan(0);
        expect(read.remaining).toBeGreaterThanOrEqual(0);
        expect(read.remaining).toBeLessThanOrEqual(read.limit);
        expect(read.source ?? '').toMatch(/^[\w.:-]{0,64}$/);
      }),
    );
  });

  it('reads the pull limit from a HEAD, which costs nothing, and counts down with each GET', async () => {
    Object.assign(host.quirks, profile('docker-hub'));
    const { registry } = repository;
    expect(registry.pulls.budget).toBeUndefined();
    await resolveTag(repository, '1');
    expect(registry.pulls.budget).toEqual({ limit: 100, remaining: 100, windowSeconds: 21_600, source: '127.0.0.1' });
    await getManifest(repository, '1');
    await getManifest(repository, '1');
    expect(registry.pulls.budget?.remaining).toBe(98);
  });

  it('reads the pull limit from a refusal too', async () => {
    host.quirks.rateLimit = { limit: 100, windowSeconds: 21_600, remaining: 0 };
    await errorOf(getManifest(repository, '1'));
    expect(repository.registry.pulls.budget?.remaining).toBe(0);
  });
});

describe('reserved pulls', () => {
  let pulls: PullLimit;
  const tell = (remaining: number) =>
    pulls.learn({
      header: (key) => ({ 'ratelimit-limit': '100;w=60', 'ratelimit-remaining': `${remaining};w=60` })[key],
    });

  beforeEach(() => {
    pulls = new PullLimit();
    tell(10);
  });

  it('reserves no pull twice', () => {
    expect(pulls.reserve(9)).toBeDefined();
    expect(pulls.reserve(2)).toBeUndefined();
    expect(pulls.reserve(1)).toBeDefined();
    expect(pulls.reserve(0)).toBeDefined();
  });

  it('counts a made pull once, however late the registry reports it', () => {
    const held = pulls.reserve(9);
    tell(9);
    held?.spend();
    tell(10);
    expect(pulls.reserve(2)).toBeUndefined();
    expect(pulls.reserve(1)).toBeDefined();
  });

  it('respects pulls that others used meanwhile', () => {
    pulls.reserve(2);
    tell(3);
    expect(pulls.reserve(4)).toBeUndefined();
    expect(pulls.reserve(3)).toBeDefined();
  });

  it('releases unused pulls once', () => {
    const held = pulls.reserve(9);
    held?.spend();
    held?.release();
    held?.release();
    expect(pulls.reserve(10)).toBeUndefined();
    expect(pulls.reserve(9)).toBeDefined();
  });

  it('come back with the next window', () => {
    const held = pulls.reserve(10);
    for (let i = 0; i < 10; i++) held?.spend();
    held?.release();
    expect(pulls.reserve(1)).toBeUndefined();
    tell(100);
    expect(pulls.reserve(100)).toBeDefined();
  });

  it('can exceed the rest if there is no alternative', () => {
    pulls.overdraw(12);
    expect(pulls.reserve(1)).toBeUndefined();
  });

  it('reserves any number of pulls where no limit is known', () => {
    expect(new PullLimit().reserve(1_000_000)).toBeDefined();
  });
});

describe('the hint of a 429', () => {
  const hintOf = async (body: object | string) => {
    host.faults.add({
      match: { times: 99 },
      act: { status: 429, body: typeof body === 'string' ? body : JSON.stringify(body) },
    });
    return (await errorOf(getManifest(repository, '1')))['hint'];
  };
  const error = (message: string) => ({ errors: [{ code: 'TOOMANYREQUESTS', message }] });

  it.each([
    'You have reached your pull rate limit. You may increase the limit by authenticating and upgrading',
    'You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit',
  ])('gives the cure for a pull limit: %s', async (message) => {
    expect(await hintOf(error(message))).toMatch(
      /^Log in to .* for a higher pull limit, or run again when the limit resets/,
    );
  });

  it.each(['Too Many Requests (HAP429).', ''])(
    'says that a login does not help against the abuse limit: "%s"',
    async (body) => {
      const hint = await hintOf(body);
      expect(hint).toMatch(/^Send .* fewer requests from this address/);
      expect(hint).not.toContain('og in');
    },
  );

  it('gives a general hint for any other limit', async () => {
    expect(await hintOf(error('Rate exceeded'))).toMatch(/^Log in to .* for a higher limit/);
  });
});

it('sends no request before the window of a used-up pull limit ends', async () => {
  host.quirks.rateLimit = { limit: 100, windowSeconds: 21_600, remaining: 0 };
  expect(await errorOf(getManifest(repository, '1'))).toMatchObject({
    name: 'RegistryThrottled',
    retryAfterMs: 21_600_000,
  });
  expect(count(host, 'GET', /manifests/)).toBe(1);
  expect(await resolveTag(repository, '1')).toBe(image.digest);
});
