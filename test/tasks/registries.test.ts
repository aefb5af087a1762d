import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { plan } from '../../functions/plan/plan.ts';
import { report } from '../../functions/report/report.ts';
import type { Plan, Report } from '../../functions/state/documents.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { profile } from '../../infra/local/embedded/registry/profiles.ts';
import { Deadline } from '../../functions/oci/copy/deadline.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { type Registry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples, sampleOf } from '../../infra/local/embedded/sample-images.ts';
import type { Act, Fault } from '../../infra/local/embedded/registry/faults.ts';
import { artifact, storedImage } from '../oci/stored-images.ts';
import { type Factory, imageStatuses, k8, k8Images, ownWarnings, startFactory, statuses } from './factory.ts';

describe('the counts of registries', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
  });
  afterEach(() => factory.close());

  const of = ({ registries = [] }: Report, host: string) => registries.find((counts) => counts.host === host);

  /** The requests in the source's own log. Only plans and copies send any. */
  function asked(): Record<string, number> {
    const methods = factory.source.requests.map(({ method }) => method).toSorted();
    return Object.fromEntries(
      [...new Set(methods)].map((method) => [method, methods.filter((m) => m === method).length]),
    );
  }

  describe('a report says what registries were asked', () => {
    it('each request once, although images are copied at the same time', async () => {
      const first = await factory.sync({ max_concurrency: 40 });
      expect(of(first, factory.source.host)).toEqual({
        host: factory.source.host,
        requests: asked(),
        retries: 0,
        throttles: 0,
        pauses: 0,
        mounts: 0,
      });
      expect(of(first, factory.target.host)?.requests).toMatchObject({
        PUT: expect.any(Number),
        POST: expect.any(Number),
      });
      factory.source.requests.length = 0;
      expect(of(await factory.sync(), factory.source.host)?.requests).toEqual(asked());
    });

    it('each request once, where each image is copied by a process of its own', async () => {
      const { waves } = await factory.task(plan, { runId: 'run-1', input: {} });
      for (const image of waves.flat()) await factory.task(copy, { runId: 'run-1', image });
      const document = await factory.task(report, { runId: 'run-1', state: {} });
      expect(of(document, factory.source.host)?.requests).toEqual(asked());
    });

    it('counts refusals of a registry, and shows them in the summary', async () => {
      const slower = { status: 429, headers: { 'retry-after': '1' } };
      factory.source.faults.add({ match: { method: 'GET', path: /\/blobs\// }, act: slower });
      const document = await factory.sync();
      expect(of(document, factory.source.host)).toMatchObject({ retries: 1, throttles: 1, pauses: 1 });
      expect(summaryOf(document)).toContain(
        `${factory.source.host} throttled 1 request (HTTP 429), and requested 1 pause`,
      );
    });

    it('counts blobs mounted from another repository of the registry', async () => {
      const document = await factory.sync();
      const answered = factory.target.requests.filter(({ method, status }) => method === 'POST' && status === 201);
      expect(answered.length).toBeGreaterThan(0);
      expect(of(document, factory.target.host)).toMatchObject({ mounts: answered.length });
      expect(of(document, factory.source.host)).toMatchObject({ mounts: 0 });
    });

    it('records the rest of a pull limit, and shows a small one in the summary', async () => {
      factory.source.quirks.rateLimit = { limit: 100, windowSeconds: 21_600, remaining: 40 };
      const plenty = await factory.sync();
      const { remaining } = factory.source.quirks.rateLimit;
      expect(of(plenty, factory.source.host)?.pulls).toEqual({ limit: 100, remaining });
      expect(summaryOf(plenty)).not.toContain('manifest pulls left');
      factory.source.quirks.rateLimit.remaining = 10;
      const little = await factory.sync();
      expect(summaryOf(little)).toContain(`${factory.source.host} has 10 of 100 manifest pulls left`);
    });
  });
});

describe('Artifactory', () => {
  const cache = 'plugins/cache:1.10.12';
  let factory: Factory;
  afterEach(() => factory.close());

  describe('Artifactory, which answers 403 for what is missing', () => {
    it('copies to an Artifactory under any name', async () => {
      factory = await startFactory({ samples: {}, target: { quirks: profile('artifactory') } });
      const report = await factory.sync({ include_fields: ['cacheS3Tag'] });
      expect(report.error).toBeUndefined();
      expect(imageStatuses(report)).toEqual({ [cache]: 'copied' });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
    });

    it('explains that a source may answer 403 for a missing image', async () => {
      factory = await startFactory({ samples: {}, source: { quirks: profile('artifactory') } });
      const [repository = '', tag = ''] = cache.split(':');
      factory.source.storage.deleteTag(repository, tag);
      for (const action of ['plan', 'sync']) {
        const report = await factory.run(action, { include_fields: ['cacheS3Tag'] });
        expect(report.images).toMatchObject([{ image: cache, status: 'failed', error: { name: 'RegistryForbidden' } }]);
      }
      expect(factory.overrides()).toEqual({});
    });
  });
});

describe('our registry as a source', () => {
  const addon = k8['addonTag'] as string;
  const [repository = '', tag = ''] = addon.split(':');

  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
  });
  afterEach(() => factory.close());

  /** An image that was not copied: a template of Harness built it. */
  const built = storedImage([Buffer.from('with our CA')]);
  const input = () => ({ source_registry: factory.registry, include_fields: 'addonTag' });

  describe('a sync whose only source is the registry itself', () => {
    it('copies nothing, and switches Harness to the image that is there', async () => {
      factory.target.storage.putImage(`mirror/${repository}`, tag, built);
      const report = await factory.sync(input());
      expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 0, repaired: 0, skipped: 1 } });
      expect(statuses(report)['ci K8 addonTag']).toBe('updated');
      expect(factory.arrived(addon)).toBe(built.digest);
      expect(factory.overrides()).toEqual({ addonTag: factory.copyOf(addon) });
    });

    it('switches nothing when the image is missing', async () => {
      const report = await factory.sync(input());
      expect(report.status).toBe('FAILED');
      expect(report.images[0]?.error?.name).toBe('ImageNotFound');
      expect(factory.overrides()).toEqual({});
    });

    it('refuses the registry beside other sources, which would copy images onto themselves', async () => {
      const sources = [factory.registry, factory.source.host];
      expect((await factory.sync({ source_registry: sources })).error?.problems).toMatchObject([
        { path: '$.source_registry', allowed: expect.stringContaining('onto themselves') },
      ]);
    });
  });
});

describe('a registry that many processes use', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
  });
  afterEach(() => factory.close());

  /** The plan of a run that copies one image, changed as a test wants it. */
  async function planned(runId: string, field: string, change: Partial<Plan>): Promise<void> {
    await factory.run('plan', { include_fields: [field] }, { runId });
    const key = `runs/${runId}/plan.json`;
    const plan = { ...(await factory.document<Plan>(key)), ...change };
    await factory.store.put(key, new TextEncoder().encode(JSON.stringify(plan)));
  }

  /** Gives the run a deadline, as every call has on Lambda. */
  const onLambda = (run: TaskRun): TaskRun => ({ ...run, deadline: Deadline.in(600_000) });

  const shares = (hosting: (run: TaskRun) => TaskRun) =>
    factory.task(
      async (event: Parameters<typeof copy>[0], run) => {
        const found: number[] = [];
        const registry = run.runtime.registry(factory.target.host);
        registry.shareOf = (processes) => void found.push(processes);
        expect((await copy(event, hosting(run))).status).toBe('copied');
        return found;
      },
      { runId: 'run-1', image: 0 },
    );

  describe('a copy that is one of many processes', () => {
    it('leaves the others their part of the pace of the registry', async () => {
      await planned('run-1', 'cacheS3Tag', { maxConcurrency: 20 });
      expect(await shares(onLambda)).toEqual([20]);
    });

    it('does not divide the pace where one process makes all copies', async () => {
      await planned('run-1', 'cacheS3Tag', { maxConcurrency: 20 });
      expect(await shares((run) => run)).toEqual([]);
    });
  });

  describe('a process that goes from run to run', () => {
    it('mounts blobs again when the registry was set to', async () => {
      await planned('run-1', 'cacheS3Tag', { mounts: 'off' });
      await planned('run-2', 'addonTag', {});
      const mounts = () => factory.target.requests.filter(({ query }) => query.includes('mount=')).length;
      await factory.task(async (image: number, run) => {
        expect(await copy({ runId: 'run-1', image }, onLambda(run))).toMatchObject({ status: 'copied' });
        expect(mounts()).toBe(0);
        expect(await copy({ runId: 'run-2', image }, onLambda(run))).toMatchObject({ status: 'copied' });
        expect(mounts()).toBeGreaterThan(0);
      }, 0);
    });
  });
});

describe('referrers', () => {
  const cache = 'plugins/cache:1.10.12';
  const repository = 'plugins/cache';
  const notation = 'application/vnd.cncf.notary.signature';

  let factory: Factory;
  let signature: Image;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
    const digest = factory.official(cache) ?? '';
    const stored = factory.source.storage.manifest(repository, digest);
    if (!stored) throw new TypeError();
    const { mediaType, bytes } = stored;
    signature = artifact(notation, Buffer.from('signature'), {
      digest,
      mediaType,
      bytes,
      blobs: new Map(),
      children: [],
    });
    factory.source.storage.putImage(repository, undefined, signature);
  });
  afterEach(() => factory.close());

  const sync = () => factory.sync({ include_fields: ['cacheS3Tag'], referrers: 'signatures' });
  const arrived = () => factory.target.storage.manifest(`mirror/${repository}`, signature.digest) !== undefined;

  describe('signatures of an image', () => {
    it('go along with it, and by themselves when they came later', async () => {
      expect(await sync()).toMatchObject({ status: 'SUCCEEDED' });
      expect(arrived()).toBe(true);
      factory.target.storage.deleteManifest(`mirror/${repository}`, signature.digest);
      await sync();
      expect(arrived()).toBe(true);
      expect(imageStatuses(await sync())).toEqual({ [cache]: 'skipped' });
    });

    it('warns about signatures that cannot be copied, by name, and copies and switches the image', async () => {
      factory.target.quirks.rejectSubject = 405;
      const report = await sync();
      expect(report.status).toBe('SUCCEEDED');
      expect(imageStatuses(report)).toEqual({ [cache]: 'copied' });
      expect(statuses(report)).toMatchObject({ 'ci K8 cacheS3Tag': 'updated' });
      expect(ownWarnings(report)).toEqual([
        expect.stringMatching(`^${cache}: ${notation} ${signature.digest} was not copied: .*405`),
      ]);
      expect(report.images[0]).not.toHaveProperty('warnings');
    });

    it('leave the pulls to images: they are not read when the limit leaves none', async () => {
      await factory.sync({ include_fields: ['cacheS3Tag'] });
      factory.source.requests.length = 0;
      factory.source.quirks.rateLimit = { limit: 100, windowSeconds: 21_600, remaining: 0 };
      const report = await sync();
      expect(report.status).toBe('SUCCEEDED');
      expect(report.warnings).toContainEqual(expect.stringContaining('leaves no pull for manifest'));
      expect(
        factory.source.requests.filter(({ method, path }) => method === 'GET' && path.includes('/manifests/')),
      ).toEqual([]);
    });

    it('reads each signature once, whatever the number of runs', async () => {
      await sync();
      factory.target.storage.deleteManifest(`mirror/${repository}`, signature.digest);
      factory.source.requests.length = 0;
      await sync();
      expect(arrived()).toBe(true);
      expect(factory.source.requests.filter(({ path }) => path.endsWith(`/manifests/${signature.digest}`))).toEqual([]);
    });
  });
});

describe('the limits of a registry', () => {
  const windowSeconds = 21_600;
  const layerBytes = 300;
  const cache = 'plugins/cache:1.10.12';
  /** Manifests of the sample: its root and its children. */
  const pullsOf = (image: string) => 1 + sampleOf(image, { layerBytes }).children.length;

  let factory: Factory;
  /** Counts pulls, as Docker Hub does. */
  let hub: Registry;
  let other: Registry;

  beforeEach(async () => {
    [factory, other] = await Promise.all([startFactory({ samples: {} }), startRegistry()]);
    hub = factory.source;
    pushSamples(other, k8Images, { layerBytes, slim: true });
  });
  afterEach(() => Promise.all([factory.close(), other.close()]));

  function leave(remaining: number, registry = hub): void {
    registry.quirks.rateLimit = { limit: 100, windowSeconds, remaining };
  }

  /** Takes the image away from the second source. */
  const remove = () => other.storage.deleteRepository('plugins/cache');

  /** Counts the manifests that were read. */
  const pulled = (registry: Registry) =>
    registry.requests.filter(({ method, path }) => method === 'GET' && path.includes('/manifests/')).length;

  const run = (action: 'plan' | 'sync', more: object = {}) =>
    factory.run(action, { include_fields: ['cacheS3Tag'], source_registry: [hub.host, other.host], ...more });

  describe('an image', () => {
    it('comes from the first source as long as its pull limit leaves what the image needs', async () => {
      leave(pullsOf(cache));
      const report = await run('plan');
      expect(report.images).toMatchObject([{ image: cache, source: `${hub.host}/${cache}`, status: 'planned' }]);
      expect([pulled(hub), pulled(other)]).toEqual([pullsOf(cache), 0]);
    });

    it('comes from the next source that has the same, when that is not so', async () => {
      leave(pullsOf(cache) - 1);
      const report = await run('sync');
      expect(report).toMatchObject({ status: 'SUCCEEDED', images: [{ source: `${other.host}/${cache}` }] });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
      // Before its root is read nobody knows what it needs.
      expect([pulled(hub), pulled(other)]).toEqual([1, pullsOf(cache) - 1]);
      expect(hub.requests.filter(({ path }) => path.includes('/blobs/'))).toEqual([]);
    });

    it('sends no request to a source without pulls left', async () => {
      leave(0);
      expect((await run('sync')).status).toBe('SUCCEEDED');
      expect([pulled(hub), pulled(other)]).toEqual([0, pullsOf(cache)]);
    });

    it('comes from the one after, when the next source leaves too little as well', async () => {
      leave(0);
      leave(pullsOf(cache) - 1, other);
      const third = await startRegistry();
      pushSamples(third, [cache], { layerBytes, slim: true });
      const report = await run('plan', { source_registry: [hub.host, other.host, third.host] });
      await third.close();
      expect(report.images[0]?.source).toBe(`${third.host}/${cache}`);
      expect([pulled(hub), pulled(other), pulled(third)]).toEqual([0, 1, pullsOf(cache) - 1]);
    });

    it.each([
      [
        'has another image',
        () => (remove(), void pushSamples(other, [cache], { layerBytes, slim: true, revision: 1 })),
      ],
      ['does not have it', () => remove()],
      ['does not answer', () => void other.faults.add({ match: { times: 99 }, act: { status: 500 } })],
      ['has as little left', () => leave(0, other)],
    ])('stays with the first source, and says so, when the next one %s', async (_, prepare) => {
      leave(pullsOf(cache) - 1);
      prepare();
      const report = await run('plan');
      expect(report.images).toMatchObject([{ source: `${hub.host}/${cache}`, status: 'failed' }]);
      expect(report.images[0]?.error).toMatchObject({ name: 'RegistryThrottled' });
      expect(report.warnings).toContain(
        `${hub.host} has too few manifest pulls left for ${cache}, and no other source has the same images`,
      );
    });

    it('needs no pulls for manifests that an earlier run read', async () => {
      leave(50);
      await run('plan');
      leave(0);
      hub.requests.length = 0;
      const report = await run('plan');
      expect(report.images).toMatchObject([{ source: `${hub.host}/${cache}`, status: 'planned' }]);
      expect([pulled(hub), pulled(other)]).toEqual([0, 0]);
      expect(ownWarnings(report)).toEqual([`${hub.host}: 0 of 100 manifest pulls left in 6 h`]);
    });

    it('needs no pulls for platforms that are left out', async () => {
      leave(2);
      const report = await run('plan', { platforms: ['linux/amd64'] });
      expect(report.images).toMatchObject([{ source: `${hub.host}/${cache}`, status: 'planned' }]);
    });
  });

  it('images that are planned at once are not promised the same pulls', async () => {
    const needed = k8Images.reduce((sum, image) => sum + pullsOf(image), 0);
    leave(needed - 1);
    const report = await factory.sync({ source_registry: [hub.host, other.host] });
    expect(report.status).toBe('SUCCEEDED');
    expect(hub.requests.filter(({ status }) => status === 429)).toEqual([]);
    expect(pulled(hub) + pulled(other)).toBe(needed);
    expect(report.images.filter(({ source }) => source?.startsWith(other.host))).toHaveLength(1);
  });

  describe('a pull limit', () => {
    it('reports once a pull limit of which less than a fifth is left', async () => {
      leave(12 + pullsOf(cache));
      const report = await run('plan', { extra_images: ['harness/sto-plugin:latest'] });
      const left = 12 - pullsOf('harness/sto-plugin:latest');
      expect(ownWarnings(report)).toEqual([`${hub.host}: ${left} of 100 manifest pulls left in 6 h`]);
    });

    it('does not report a pull limit of which a fifth is left', async () => {
      leave(20 + pullsOf(cache));
      expect(ownWarnings(await run('plan'))).toEqual([]);
    });

    it('does not report the pull limit of a source that it did not need', async () => {
      leave(0, other);
      expect(ownWarnings(await run('plan'))).toEqual([]);
    });

    it.each([
      [60, '1 min'],
      [90, '90 s'],
      [86_400, '24 h'],
    ])('formats a pull limit of %d seconds as %s', async (seconds, words) => {
      hub.quirks.rateLimit = { limit: 100, windowSeconds: seconds, remaining: 10 + pullsOf(cache) };
      expect(ownWarnings(await run('plan'))).toEqual([`${hub.host}: 10 of 100 manifest pulls left in ${words}`]);
    });
  });
});

describe('several sources', () => {
  const cache = 'plugins/cache:1.10.12';
  const layerBytes = 300;
  const tooMany = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'pull rate limit' }] });

  let factory: Factory;
  let other: Registry;
  beforeEach(async () => {
    [factory, other] = await Promise.all([startFactory({ samples: {} }), startRegistry()]);
    pushSamples(other, k8Images, { layerBytes, slim: true });
  });
  afterEach(() => Promise.all([factory.close(), other.close()]));

  const input = () => ({ include_fields: ['cacheS3Tag'], source_registry: [factory.source.host, other.host] });
  const refuse = (path: RegExp, act: Act, more: Partial<Fault> = {}) =>
    factory.source.faults.add({ match: { method: 'GET', path, times: 99 }, act, ...more });

  const failures: [string, Act][] = [
    ['is throttled (429)', { status: 429, body: tooMany }],
    [
      'is throttled without a reason',
      { status: 429, headers: { 'content-type': 'text/plain' }, body: 'Too Many Requests' },
    ],
    ['is throttled for hours', { status: 429, headers: { 'retry-after': '21600' }, body: tooMany }],
    ['needs a login (401)', { status: 401 }],
    ['is forbidden (403)', { status: 403 }],
    ['is gone (404)', { status: 404 }],
    ['fails (500)', { status: 500 }],
    ['is cut off', 'reset'],
    ['is a web page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Log in</html>' }],
  ];

  describe('the next source with the same digest', () => {
    it.each(failures)('copies from the next source when a manifest of the first %s', async (_, act) => {
      refuse(/\/manifests\/sha256/, act);
      const document = await factory.sync(input());
      expect(document).toMatchObject({
        status: 'SUCCEEDED',
        images: [{ source: `${other.host}/${cache}`, status: 'copied' }],
      });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
    });

    it.each(failures)('copies from the next source when a blob of the first %s', async (_, act) => {
      refuse(/\/blobs\//, act);
      const document = await factory.sync(input());
      expect(document).toMatchObject({
        status: 'SUCCEEDED',
        images: [{ source: `${other.host}/${cache}`, status: 'copied' }],
      });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
    });

    it('copies from the next source when a blob of the first has other bytes', async () => {
      refuse(/\/blobs\//, 'corrupt', { afterBytes: 10 });
      expect(await factory.sync(input())).toMatchObject({
        status: 'SUCCEEDED',
        images: [{ source: `${other.host}/${cache}` }],
      });
    });

    it('moves to the next source at once when the first requires a long pause', async () => {
      refuse(/\/blobs\//, { status: 429, headers: { 'retry-after': '21600' }, body: tooMany });
      await factory.task(plan, { runId: 'run-1', input: input() });
      const copied = await factory.task(
        (event: { runId: string; image: number }, run) => copy(event, { ...run, deadline: Deadline.in(600_000) }),
        { runId: 'run-1', image: 0 },
      );
      expect(copied).toEqual({ status: 'copied', waitSeconds: 0 });
      const document = await factory.task(report, { runId: 'run-1', state: {} });
      expect(document.images).toMatchObject([{ source: `${other.host}/${cache}` }]);
    });

    it('skips a next source that has another image under the tag', async () => {
      other.storage.deleteTag('plugins/cache', '1.10.12');
      await other.close();
      other = await startRegistry();
      pushSamples(other, [cache], { layerBytes, slim: true, revision: 1 });
      refuse(/\/blobs\//, { status: 403 });
      const document = await factory.sync(input());
      expect(document.images).toMatchObject([
        { source: `${factory.source.host}/${cache}`, error: { name: 'RegistryForbidden' } },
      ]);
      expect(document.images[0]?.error?.message).toContain(factory.source.host);
    });

    it('does not try the next source when the target refuses', async () => {
      factory.target.faults.add({ match: { method: 'POST', times: 99 }, act: { status: 403 } });
      const document = await factory.sync(input());
      expect(document.images).toMatchObject([{ error: { name: 'RegistryForbidden' } }]);
      expect(other.requests).toEqual([]);
    });
  });
});
