import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ErrorDocument, FactoryError } from '../../functions/errors.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { parseRegistryLocation, formatReference } from '../../functions/oci/spec/reference.ts';
import type { ConfigResult, FieldChange, Plan, PlannedImage } from '../../functions/state/documents.ts';
import type { TaskRun } from '../../functions/runtime/task-run.ts';
import { verify } from '../../functions/verify/verify.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { indexOf, storedImage } from '../oci/stored-images.ts';
import { type Factory, type FactoryOptions, pullThrough, startFactory } from './factory.ts';
import { imageOf } from './stage.ts';

/** The task alone, on documents as the tasks before it leave them. */

const runId = 'run-1';
const k8 = { module: 'ci', infrastructureType: 'K8' } as const;

let factory: Factory;
beforeEach(() => start());
afterEach(() => factory.close());

async function start(options?: FactoryOptions): Promise<void> {
  await factory?.close();
  factory = await startFactory({ samples: {}, ...options });
}

const target = (name: string) => `${factory.registry}/${name}`;
const digestOf = (image: Image) => image.digest as Digest;
const stored = (content: string) => storedImage([Buffer.from(content)]);

/** Puts an image at the target, and returns what a plan says of it. */
function put(name: string, image = stored(name)): PlannedImage {
  const [path = '', tag = ''] = name.split(':');
  factory.target.storage.putImage(`mirror/${path}`, tag, image);
  return imageOf({ image: name, target: target(name), digest: digestOf(image), status: 'current' });
}

function planned(name: string, more: Record<string, unknown> = {}): PlannedImage {
  return imageOf({ image: name, target: target(name), digest: digestOf(stored(name)), status: 'copy', ...more });
}

/** An image that BUILD_PUSH_TEMPLATE is to build. */
function unbuilt(name: string): PlannedImage {
  return imageOf({ image: name, target: target(name), status: 'copy' });
}

function change(field: string, from: string | null, to: string | null, image?: string): FieldChange {
  return { ...k8, field, from, to, ...(image !== undefined && { image }) };
}

const written = (field: string, to: string | null, status: ConfigResult['status'] = 'updated'): ConfigResult => ({
  ...k8,
  field,
  from: null,
  to,
  status,
});

const state = () => {
  const account = factory.harness.state[factory.harness.accountId];
  if (!account) throw new TypeError('the account is missing');
  return account;
};

interface Documents {
  plan?: Partial<Plan>;
  changes?: FieldChange[];
  /** Results of a run that wrote. */
  results?: ConfigResult[];
}

/** A change to the runtime before the test uses it. */
type Prepare = (runtime: TaskRun['runtime']) => Promise<void>;

interface Outcome {
  error?: ErrorDocument;
  notes: string[];
}

async function check({ plan, changes = [], results }: Documents, prepare?: Prepare): Promise<Outcome> {
  return factory.task(async (_, task) => {
    const { runtime } = task;
    const { accountId } = await runtime.harness();
    await runtime.lock.take({ runId, action: 'sync' }, accountId);
    const documents = runtime.run(runId);
    await documents.plan.put({
      runId,
      action: 'sync',
      startedAt: new Date().toISOString(),
      registry: parseRegistryLocation(factory.registry),
      modifyDefault: true,
      onPartialFailure: 'abort',
      referrers: 'off',
      prune: false,
      images: [],
      changes,
      kept: [],
      unused: [],
      warnings: [],
      ...plan,
    });
    await documents.changes.put({ changes, held: [] });
    if (results) await documents.config.put(results);
    await prepare?.(runtime);
    const notes: string[] = [];
    const progress = runtime.progress.bind(runtime);
    runtime.progress = (event) => {
      if (event.kind === 'note') notes.push(event.message);
      progress(event);
    };
    try {
      expect(await verify({ runId }, task)).toEqual({ status: 'agrees' });
      return { notes };
    } catch (error) {
      const { name, message, hint } = error as FactoryError;
      return { error: { name, message, hint }, notes };
    }
  }, undefined);
}

/** The images that the next sync need not look below. */
async function seenWhole(): Promise<string[]> {
  let looks = '{}';
  await factory.store.update('looks/images.json', (body) => void (looks = Buffer.from(body ?? []).toString()));
  return Object.keys((JSON.parse(looks) as { images: object }).images).toSorted();
}

const look = (documents: Documents, prepare?: Prepare) =>
  check({ ...documents, plan: { action: 'verify', ...documents.plan } }, prepare);
const recorded = () => factory.task((_, { runtime }) => runtime.run(runId).config.get(), undefined);
const verified = () => factory.store.get(`runs/${runId}/verified.json`);
const asked = (path: string) => factory.harness.requests.filter((request) => request.path.includes(path));

describe('verification after a switch', () => {
  it('agrees when Harness shows what was written, and notes the time', async () => {
    state().ci.K8 = { a: target('x/a:1') };
    expect(
      (await check({ results: [written('a', target('x/a:1')), written('b', null, 'reset')] })).error,
    ).toBeUndefined();
    const { at } = await factory.document<{ at: string }>(`runs/${runId}/verified.json`);
    expect(Date.parse(at)).toBeGreaterThan(Date.now() - 60_000);
    expect(factory.writes()).toEqual([]);
    // Of the scope that was written, once.
    expect(asked('/execution-config/')).toHaveLength(1);
  });

  it('ignores fields that Harness rejected', async () => {
    pullThrough(factory.harness, 'https://elsewhere.example');
    expect((await check({ results: [written('a', target('x/a:1'), 'rejected')] })).error).toBeUndefined();
  });

  it('writes once more what another writer undid', async () => {
    state().ci.K8 = { b: target('x/b:1') };
    const results = [written('cacheS3Tag', target('x/a:1')), written('b', target('x/b:1'))];
    expect((await check({ results })).error).toBeUndefined();
    expect(factory.writes()).toEqual([expect.objectContaining({ fields: ['cacheS3Tag'] })]);
    expect(state().ci.K8).toHaveProperty('cacheS3Tag', target('x/a:1'));
  });

  it('fails when a second write does not help either, and reports the values of Harness', async () => {
    state().ci.K8 = { cacheS3Tag: 'other/a:1' };
    factory.harness.quirks.loseWrites = 9;
    const results = [{ ...written('cacheS3Tag', target('x/a:1')), from: 'other/a:1' }];
    expect((await check({ results })).error).toMatchObject({
      name: 'VerificationFailed',
      message: `1 difference: ci K8 cacheS3Tag is other/a:1, not ${target('x/a:1')}`,
      hint: expect.stringContaining('something else may manage the same fields'),
    });
    expect(await verified()).toBeUndefined();
  });

  it('leaves a value that somebody else set after the write, and records that', async () => {
    const theirs = 'registry.corp.example/hotfix/cache:7';
    state().ci.K8 = { a: theirs, b: 'theirs/b:2', cacheS3Tag: 'before/c:1', d: target('x/d:1') };
    const results = [
      written('a', target('x/a:1')),
      written('b', null, 'reset'),
      { ...written('cacheS3Tag', target('x/c:1')), from: 'before/c:1' },
      written('d', target('x/d:1')),
    ];
    expect((await check({ results })).error).toBeUndefined();
    expect(factory.writes().map(({ fields }) => fields)).toEqual([['cacheS3Tag']]);
    expect(state().ci.K8).toMatchObject({ a: theirs, b: 'theirs/b:2', cacheS3Tag: target('x/c:1') });
    const row = { ...k8, status: 'unchanged', reason: 'was changed by someone else during the run' };
    expect(await recorded()).toEqual([
      { ...row, field: 'a', from: theirs, to: theirs },
      { ...row, field: 'b', from: 'theirs/b:2', to: 'theirs/b:2' },
      ...results.slice(2),
    ]);
  });

  it('leaves a value that is a part of the written one, but neither its start nor its end', async () => {
    state().ci.K8 = { cacheS3Tag: 'x/a:1' };
    const results = [{ ...written('cacheS3Tag', target('x/a:10')), from: 'before/a:1' }];
    expect((await check({ results })).error).toBeUndefined();
    expect(state().ci.K8).toEqual({ cacheS3Tag: 'x/a:1' });
  });

  it('does not look at a field again that it left to somebody else', async () => {
    state().ci.K8 = { cacheS3Tag: 'theirs/a:3' };
    const results = [{ ...written('cacheS3Tag', 'theirs/a:2', 'unchanged'), from: 'theirs/a:2' }];
    expect((await check({ results })).error).toBeUndefined();
    expect(factory.writes()).toEqual([]);
    expect(await recorded()).toEqual(results);
  });

  it.each([
    ['no override', undefined],
    ['another image at our registry', () => target('x/a:0')],
    ['the end of what was written', () => 'x/a:1'],
  ])('takes %s for no value of somebody else, and writes once more', async (_case, now) => {
    state().ci.K8 = now ? { cacheS3Tag: now() } : {};
    const results = [{ ...written('cacheS3Tag', target('x/a:1')), from: 'before/a:1' }];
    expect((await check({ results })).error).toBeUndefined();
    expect(state().ci.K8).toEqual({ cacheS3Tag: target('x/a:1') });
    expect(await recorded()).toEqual(results);
  });

  it('looks for the copies that the run made and switched to, and for no others', async () => {
    put('x/right:1');
    put('x/other:1', stored('another image'));
    const images = [
      planned('x/right:1'),
      planned('x/other:1'),
      planned('x/gone:1'),
      planned('x/not-switched:1'),
      planned('x/there-before:1', { status: 'current' }),
    ];
    const names = ['x/right:1', 'x/gone:1', 'x/other:1', 'x/there-before:1'];
    const changes = names.map((name) => change(name, null, target(name), name));
    const { error } = await check({ plan: { images }, changes, results: [] });
    expect(error).toMatchObject({ name: 'VerificationFailed', message: expect.stringMatching(/^2 differences: /) });
    expect(error?.message.replace('2 differences: ', '').split('; ')).toEqual([
      `${target('x/gone:1')} is not at the registry`,
      `${target('x/other:1')} is ${stored('another image').digest} at the registry, not ${stored('x/other:1').digest}`,
    ]);
  });

  it('takes any digest for an image that was built, as long as there is one', async () => {
    put('x/built:1');
    const [built, gone] = [unbuilt('x/built:1'), unbuilt('x/gone:1')];
    const changes = [built, gone].map(({ image }) => change(image, null, target(image), image));
    const { error } = await check({ plan: { images: [built, gone] }, changes, results: [] });
    expect(error?.message).toBe(`1 difference: ${target('x/gone:1')} is not at the registry`);
  });

  it('looks below nothing', async () => {
    put('x/a:1');
    await check({ plan: { images: [planned('x/a:1')] }, changes: [change('a', null, null, 'x/a:1')], results: [] });
    expect(factory.target.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'HEAD /v2/mirror/x/a/manifests/1',
    ]);
  });
});

describe('verification after a run that wrote nothing', () => {
  it('sends Harness no request after a run that wrote nothing', async () => {
    expect(
      (await check({ plan: { modifyDefault: false }, changes: [change('a', null, target('x/a:1'))] })).error,
    ).toBeUndefined();
    expect(asked('/execution-config')).toEqual([]);
    expect(await verified()).toBeUndefined();
  });

  it.each(['sync', 'import'] as const)('reports a copy that vanished during %s as drift', async (action) => {
    // The check of what a bundle holds would find the same.
    const images = [action === 'import' ? unbuilt('x/gone:1') : planned('x/gone:1')];
    const { error } = await check({ plan: { action, images }, changes: [change('a', null, null, 'x/gone:1')] });
    expect(error).toEqual({
      name: 'DriftFound',
      message: `1 difference: ${target('x/gone:1')} is not at the registry`,
      hint: `The registry changed during the run. Run ${action} again: it copies what is missing.`,
    });
  });
});

describe('the connector that Harness pulls through', () => {
  const one = () => ({ results: [written('a', target('x/a:1'))] });
  beforeEach(() => {
    state().ci.K8 = { a: target('x/a:1') };
  });

  it('checks the connector against every written value, once each', async () => {
    pullThrough(factory.harness, 'https://elsewhere.example/');
    state().ci.K8 = { a: target('x/a:1'), b: target('x/a:1') };
    const results = [written('a', target('x/a:1')), written('b', target('x/a:1')), written('c', null, 'reset')];
    const wrong = `Harness would pull elsewhere.example/${target('x/a:1')} instead of ${target('x/a:1')}, through account.harnessImage`;
    expect((await check({ results })).error?.message).toBe(`1 difference: ${wrong}`);
  });

  it('reports that nothing is pulled through an address that cannot be parsed', async () => {
    pullThrough(factory.harness, 'elsewhere');
    expect((await check(one())).error?.message).toContain(`Harness would pull nothing instead of ${target('x/a:1')}`);
  });

  it('does not read the connector for values at other registries, nor without any', async () => {
    state().ci.K8 = { a: 'other.example/x/a:1' };
    await check({ results: [written('a', 'other.example/x/a:1'), written('b', null, 'reset')] });
    expect(asked('/connectors/')).toEqual([]);
  });

  it('notes that the connector is hidden from the key', async () => {
    factory.harness.quirks.failNext = [{ count: 1, status: 403, path: '/connectors/' }];
    const { error, notes } = await check(one());
    expect(error).toBeUndefined();
    expect(notes).toEqual([expect.stringMatching(/^the connector of Harness's images could not be checked: /)]);
  });

  it('leaves the run without a result when Harness fails', async () => {
    factory.harness.quirks.failNext = [{ count: 9, status: 500, path: '/connectors/' }];
    expect((await check(one())).error?.name).toMatch(/^Harness/);
  });

  it('demands that a configured connector is a Docker registry; without one, values are used as written', async () => {
    const connectors = () => state().connectors;
    for (const each of connectors()) if (each.identifier === 'harnessImage') Object.assign(each, { type: 'Gcr' });
    expect((await check(one())).error).toBeUndefined();
    await start({ environment: { CONTAINER_REGISTRY_CONNECTOR: 'account.harnessImage' } });
    state().ci.K8 = { a: target('x/a:1') };
    expect((await check(one())).error).toBeUndefined();
    for (const each of connectors()) if (each.identifier === 'harnessImage') Object.assign(each, { type: 'Gcr' });
    expect((await check(one())).error?.message).toBe(
      '1 difference: connector account.harnessImage is no longer a Docker registry connector',
    );
  });

  it('checks the connector against current, kept and planned values in verify', async () => {
    pullThrough(factory.harness, 'https://elsewhere.example/');
    for (const name of ['x/a:1', 'x/b:1']) put(name);
    const kept = [
      { ...k8, field: 'a', value: target('x/a:1') },
      { ...k8, field: 'n', value: null },
      { ...k8, field: 'o', value: 'other.example/x:1' },
    ];
    const changes = [change('b', target('x/b:1'), null), change('c', null, target('x/c:1'))];
    const { error } = await look({ plan: { kept, modifyDefault: false }, changes });
    expect(error?.message).toMatch(/^2 differences: .*x\/a:1 instead.*; .*x\/b:1 instead/);
    // A run that wrote answers for what it wrote alone.
    expect((await check({ plan: { kept }, changes, results: [] })).error).toBeUndefined();
  });
});

describe('verify', () => {
  const message = async (documents: Documents) => (await look(documents)).error?.message;

  it('lists what sync would write, unless it would write nothing', async () => {
    const changes = [change('a', 'other/a:1', target('x/a:1')), change('b', target('x/b:1'), null)];
    put('x/b:1');
    expect(await message({ changes })).toBe(
      `2 differences: ci K8 a is other/a:1, not ${target('x/a:1')}; ci K8 b is ${target('x/b:1')}, not unset`,
    );
    expect(await message({ changes, plan: { modifyDefault: false } })).toBeUndefined();
    expect(await verified()).toBeUndefined();
  });

  it('agrees on complete images', async () => {
    put('x/b:1');
    const images = [put('x/a:1'), planned('x/b:1', { present: true })];
    expect(await message({ plan: { images } })).toBeUndefined();
    expect(await seenWhole()).toEqual(images.map((image) => formatReference(image.target)));
    expect(await factory.store.get(`runs/${runId}/incomplete.json`)).toBeUndefined();
  });

  it('names each planned image that is not there once, and why', async () => {
    const images = [
      planned('x/gone:1'),
      unbuilt('x/built:1'),
      planned('x/failed:1', {
        status: 'failed',
        error: { name: 'ImageNotFound', message: 'no source has it', hint: '' },
      }),
      planned('x/unknown:1', { status: 'failed' }),
    ];
    const { error } = await look({ plan: { images, inUse: [target('x/gone:1')] } });
    expect(error).toEqual({
      name: 'DriftFound',
      message: [
        `4 differences: ${target('x/gone:1')} is not at the registry as ${stored('x/gone:1').digest}`,
        `${target('x/built:1')} is not at the registry as built from the current image`,
        'x/failed:1: no source has it',
        'x/unknown:1: not found',
      ].join('; '),
      hint: 'Run sync to repair it.',
    });
  });

  it('looks below what an override names, of any module, and below what the run planned', async () => {
    const lost = [...stored('x/b:1').blobs.keys()].at(-1) ?? '';
    const images = [put('x/a:1')];
    put('x/b:1');
    factory.target.storage.deleteBlob('mirror/x/b', lost);
    state().idp.K8 = { b: target('x/b:1'), foreign: 'other.example/x/c:1' };
    const missing = [{ kind: 'blob', digest: lost, size: 5 }];
    expect(await message({ plan: { images, inUse: [target('x/gone:1')] } })).toBe(
      `2 differences: ${target('x/b:1')} lacks blob ${lost}; ${target('x/gone:1')} is not at the registry`,
    );
    expect(await factory.document(`runs/${runId}/incomplete.json`)).toHaveProperty('images', [
      { reference: target('x/b:1'), missing },
    ]);
    expect(await seenWhole()).toEqual([target('x/a:1')]);
  });

  it('looks below a planned image under the digest that it has now, too', async () => {
    const image = stored('today');
    put('x/a:1', image);
    const lost = [...image.blobs.keys()].at(-1) ?? '';
    factory.target.storage.deleteBlob('mirror/x/a', lost);
    expect(await message({ plan: { images: [planned('x/a:1')] } })).toBe(
      `2 differences: ${target('x/a:1')} is not at the registry as ${stored('x/a:1').digest}; ${target('x/a:1')} lacks blob ${lost}`,
    );
  });

  it('does not ask for the tag of a planned image again', async () => {
    await look({ plan: { images: [put('x/a:1')] } });
    expect(factory.target.requests.filter(({ path }) => path.endsWith('/manifests/1'))).toEqual([]);
  });

  it('lists an image whose manifest nobody can use among the differences', async () => {
    const nested = indexOf([{ ...stored('a'), mediaType: 'application/vnd.example.unknown' }]);
    const images = [put('x/a:1', nested), put('x/b:1')];
    expect(await message({ plan: { images } })).toMatch(
      new RegExp(`^1 difference: ${target('x/a:1')}: .*application/vnd.example.unknown`),
    );
  });

  it('fails without a result when the registry is unreachable', async () => {
    const images = [put('x/a:1')];
    factory.target.faults.add({ match: { path: /blobs/, times: 99 }, act: { status: 503 } });
    expect((await look({ plan: { images } })).error?.name).toBe('RegistryFailed');
  });

  it('checks only the images that the run knows when a module cannot be read, with a note', async () => {
    factory.harness.quirks.failNext = [{ count: 99, status: 403, path: '/iacm-manager/' }];
    const { error, notes } = await look({ plan: { inUse: [target('x/gone:1')] } });
    expect(error?.message).toBe(`1 difference: ${target('x/gone:1')} is not at the registry`);
    expect(notes).toEqual([expect.stringMatching(/^only the modules of this run were checked: /)]);
  });

  it.each<[string, Prepare, string]>([
    [
      'a bug while modules are read',
      async (runtime) => {
        const harness = await runtime.harness();
        harness.overrides = async () => Promise.reject(new TypeError('a bug'));
      },
      'TypeError',
    ],
    [
      'a state that cannot be written',
      async (runtime) => {
        runtime.manifests.put = async () => Promise.reject(new FactoryError('StoreFailed', 'disk full', { hint: '' }));
      },
      'StoreFailed',
    ],
  ])('has no result after %s', async (_, prepare, name) => {
    expect((await look({ plan: { images: [put('x/a:1')] } }, prepare)).error?.name).toBe(name);
  });

  it.each([
    [1, /^1 difference: .*f00 is[^;]*$/],
    [2, /^2 differences: [^;]*f00 is[^;]*; [^;]*f01 is[^;]*$/],
    [20, /^20 differences: [^;]*f00 is.*f19 is[^;]*$/],
    [21, /^21 differences: [^;]*f00 is.*f19 is[^;]*; and 1 more, in the report$/],
    [23, /; and 3 more, in the report$/],
  ])('lists %d differences, or the first 20', async (count, expected) => {
    const changes = Array.from({ length: count }, (_, i) =>
      change(`f${String(i).padStart(2, '0')}`, null, target('x/a:1')),
    );
    expect(await message({ changes })).toMatch(expected);
  });
});
