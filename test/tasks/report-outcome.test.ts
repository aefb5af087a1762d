import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import type { ConnectorChange, Plan, PlannedImage, Pull } from '../../functions/state/documents.ts';
import type { RegistryCounts } from '../../functions/state/documents/registry-counts.ts';
import { caught, change, imageOf, planOf, reportOn, setStage, type Stage } from './stage.ts';

/** The outcome of a run, from the documents that its tasks left. */

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const other = `sha256:${'b'.repeat(64)}` as Digest;
const error = { name: 'ImageNotFound', message: 'no source has it', hint: 'wait' } as const;
const target = (name: string) => `registry.example/mirror/${name}`;
const image = (name: string, more: Record<string, unknown> = {}): PlannedImage =>
  imageOf({ image: name, target: target(name), status: 'copy', digest, ...more });
const broken = (name: string, more: Record<string, unknown> = {}) => image(name, { status: 'failed', error, ...more });

let stage: Stage;
beforeEach(() => {
  stage = setStage();
});
const reported = (plan: Partial<Plan> = {}, state?: Parameters<typeof reportOn>[2]) =>
  reportOn(stage, planOf(plan), state);

describe('the error of a run whose workflow succeeded', () => {
  it.each([
    ['plan', 'copied'],
    ['export', 'exported'],
  ] as const)('names the images that a %s found at no source', async (action, verb) => {
    expect(await reported({ action, images: [image('a:1'), broken('b:1'), broken('c:1')] })).toMatchObject({
      status: 'FAILED',
      error: {
        name: 'ImagesFailed',
        message: `2 of 3 images cannot be ${verb}: b:1, c:1`,
        hint: 'See the reason of each image in the report.',
      },
    });
    expect(await reported({ action, images: [image('a:1')] })).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('leaves images without a source to the gate in a sync', async () => {
    const report = await reported({ images: [broken('b:1')] });
    expect(report.status).toBe('SUCCEEDED');
    expect(report).not.toHaveProperty('error');
    expect(report).not.toHaveProperty('cause');
  });

  it('warns of a broken image that Harness uses and the run does not replace', async () => {
    const report = await reported({ action: 'plan', images: [broken('b:1', { held: true }), image('a:1')] });
    expect(report).toMatchObject({
      status: 'SUCCEEDED',
      warnings: [`Harness uses ${target('b:1')}: no source has it`],
    });
    for (const images of [[broken('b:1')], [image('a:1', { held: true })]])
      expect(await reported({ images })).not.toHaveProperty('warnings');
    await stage.documents.copyResult(0).put({ status: 'failed', bytesTransferred: 0, bytesSkipped: 0 });
    expect((await reported({ images: [image('a:1', { held: true })] })).warnings).toEqual([
      `Harness uses ${target('a:1')}: it is incomplete`,
    ]);
  });

  it('fails a blocked switch with numbered steps, except in a plan', async () => {
    const blocked = { reason: 'the connector is elsewhere', steps: ['Copy.', 'Switch.'] };
    expect(await reported({ blocked })).toMatchObject({
      status: 'FAILED',
      blocked,
      error: {
        name: 'SwitchBlocked',
        message: 'Harness was not switched: the connector is elsewhere',
        hint: '1. Copy. 2. Switch.',
      },
    });
    expect(await reported({ action: 'plan', blocked })).toMatchObject({ status: 'SUCCEEDED', blocked });
  });

  it('names the checks that failed', async () => {
    const check = (name: string, status: 'ok' | 'failed') => ({ name, status, message: 'm', cure: 'c' });
    const checks = [check('key', 'failed'), check('state', 'ok')];
    expect(await reported({ action: 'doctor', checks })).toMatchObject({
      status: 'FAILED',
      checks,
      error: { name: 'ChecksFailed', message: '1 of 2 checks failed: key' },
    });
    expect(await reported({ action: 'doctor', checks: [check('state', 'ok')] })).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('prefers the error of the workflow', async () => {
    const blocked = { reason: 'r', steps: [] };
    const report = await reported(
      { action: 'plan', images: [broken('b:1')], blocked },
      { error: caught('StoreFailed') },
    );
    expect(report.error?.name).toBe('StoreFailed');
  });
});

describe('the keys of a report', () => {
  it('leaves out the keys that the run has nothing for', async () => {
    expect(Object.keys(await reported()).toSorted()).toEqual([
      'action',
      'config',
      'endedAt',
      'harness',
      'images',
      'registry',
      'runId',
      'startedAt',
      'status',
      'totals',
    ]);
  });

  it('passes on what the plan found', async () => {
    const counts: RegistryCounts = {
      host: 'r.example',
      requests: { GET: 1 },
      retries: 0,
      throttles: 0,
      pauses: 0,
      mounts: 0,
    };
    const needed = [{ image: 'n:1', fields: [{ module: 'ci', infrastructureType: 'K8', field: 'addonTag' }] as const }];
    const soaking = [{ image: 's:1', digest, until: '2026-02-01', fields: ['ci K8 addonTag'] }];
    const unused = [{ reference: target('old:1'), digest }];
    const awaiting = { reason: 'first switch', command: 'factory sync', changes: [] };
    const plan = {
      input: { started_by: 'somebody' },
      startedBy: 'somebody',
      registries: [counts],
      needed: needed.map((each) => ({ ...each, fields: [...each.fields] })),
      soaking,
      unused,
      awaiting,
    };
    const { changes: _, ...awaited } = awaiting;
    expect(await reported(plan)).toMatchObject({ ...plan, awaiting: awaited, status: 'SUCCEEDED' });
    expect((await reported(plan)).awaiting).toEqual(awaited);
  });

  it('adds the requests of the copies to those of the plan', async () => {
    const counts = (host: string): RegistryCounts => {
      return { host, requests: { GET: 1 }, retries: 1, throttles: 0, pauses: 0, mounts: 0 };
    };
    const copied = { status: 'copied', bytesTransferred: 1, bytesSkipped: 0 } as const;
    await stage.documents.copyResult(0).put({ ...copied, registries: [counts('a.example'), counts('b.example')] });
    const { registries } = await reported({ images: [image('a:1')], registries: [counts('a.example')] });
    expect(registries).toEqual([{ ...counts('a.example'), requests: { GET: 2 }, retries: 2 }, counts('b.example')]);
  });

  it('has the outcome of a prune in place of the plan', async () => {
    const unused = [{ reference: target('old:1'), digest }];
    expect((await reported({ unused })).unused).toEqual(unused);
    const pruned = [{ reference: target('old:1'), digest, status: 'deleted' as const }];
    await stage.documents.pruned.put(pruned);
    expect((await reported({ unused })).unused).toEqual(pruned);
    await stage.documents.pruned.put([]);
    expect((await reported({ unused })).unused).toEqual([]);
    expect((await reported()).unused).toEqual([]);
  });

  it('has the pieces that images lacked: those of a verify, else those of the plan', async () => {
    const missing = [{ kind: 'blob', digest: other, size: 7 } as const];
    const images = [image('a:1', { missing }), image('b:1')];
    expect((await reported({ images })).incomplete).toEqual([{ reference: target('a:1'), missing }]);
    const found = [{ reference: target('c:1'), missing: [{ kind: 'manifest', digest } as const] }];
    await stage.documents.incomplete.put(found);
    expect((await reported({ images })).incomplete).toEqual(found);
  });

  it('has the warnings of the plan, of copies, of scans and of the state, without secrets', async () => {
    const copied = { status: 'copied', bytesTransferred: 1, bytesSkipped: 0 } as const;
    await stage.documents.copyResult(0).put({ ...copied, warnings: ['no signature'] });
    await stage.documents.scans.put({ startedAt: new Date().toISOString(), images: [], calls: 0, warnings: ['slow'] });
    const warnings = ['the key is sat.abcdefgh.ijklmnop.qrstuvwx'];
    const report = await reported({ images: [image('a:1')], warnings }, { warnings: ['stopped'] });
    expect(report.warnings).toEqual(['the key is sat.…', 'a:1: no signature', 'slow', 'stopped']);
  });
});

describe('where pods would pull from', () => {
  const row = (name: string, status: Pull['status']): Pull => ({ reference: target(name), status, fields: [] });

  it('leaves pulls as planned in a plan', async () => {
    const pulls = [row('a:1', 'planned')];
    expect((await reported({ action: 'plan', images: [image('a:1')], pulls })).pulls).toEqual(pulls);
  });

  it('resolves planned pulls by the copies of the run', async () => {
    const [copied, repaired] = ['copied', 'repaired'] as const;
    await stage.documents.copyResult(0).put({ status: copied, bytesTransferred: 1, bytesSkipped: 0 });
    await stage.documents.copyResult(1).put({ status: repaired, bytesTransferred: 1, bytesSkipped: 0 });
    const images = [image('a:1'), image('b:1'), image('c:1', { status: 'current' }), image('d:1'), broken('e:1')];
    const planned = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1'].map((name) => row(name, 'planned'));
    const { pulls } = await reported({ images, pulls: [...planned, row('f:1', 'elsewhere'), row('d:1', 'present')] });
    expect(pulls?.map(({ status }) => status)).toEqual([
      'present',
      'present',
      'present',
      'missing',
      'missing',
      'elsewhere',
      'present',
    ]);
  });
});

describe('the row of an image', () => {
  const rowOf = async (planned: PlannedImage, plan: Partial<Plan> = {}) =>
    (await reported({ images: [planned], ...plan })).images[0];

  it('names the source, the digest and the entry of the input', async () => {
    expect(await rowOf(image('a:1', { requested: 'a:^1' }))).toEqual({
      image: 'a:1',
      requested: 'a:^1',
      source: 'source.example/a:1',
      target: target('a:1'),
      digest,
      status: 'planned',
      bytesTransferred: 0,
      bytesSkipped: 0,
    });
    expect(await rowOf(image('a:1'))).not.toHaveProperty('requested');
  });

  it('has no digest and no source where none is known', async () => {
    const { target: place } = image('a:1');
    const row = await rowOf({ image: 'a:1', target: place, status: 'failed', error });
    expect(row).toEqual({
      image: 'a:1',
      source: null,
      target: target('a:1'),
      digest: null,
      status: 'failed',
      bytesTransferred: 0,
      bytesSkipped: 0,
      error,
    });
  });

  it('counts the bytes of an image that is current as skipped, when the plan read them', async () => {
    expect(await rowOf(image('a:1', { status: 'current', size: 9 }))).toMatchObject({
      status: 'skipped',
      bytesSkipped: 9,
    });
    expect(await rowOf(image('a:1', { status: 'current' }))).toMatchObject({ bytesTransferred: 0, bytesSkipped: 0 });
  });

  it('estimates bytes in a plan alone', async () => {
    const sized = image('a:1', { size: 9, uniqueSize: 4 });
    expect(await rowOf(sized, { action: 'plan' })).toMatchObject({ bytesTransferred: 4, bytesSkipped: 5 });
    expect(await rowOf(sized)).toMatchObject({ status: 'planned', bytesTransferred: 0, bytesSkipped: 0 });
    expect(await rowOf(image('a:1'), { action: 'plan' })).toMatchObject({ bytesTransferred: 0, bytesSkipped: 0 });
  });

  it('has the duration of a copy that has ended', async () => {
    const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.500Z' };
    const copied = { status: 'copied', bytesTransferred: 1, bytesSkipped: 2, attempts: 3 } as const;
    await stage.documents.copyResult(0).put({ ...copied, ...times, source: 'second.example/a:1' });
    const row = await rowOf(image('a:1'));
    expect(row).toEqual({
      image: 'a:1',
      source: 'second.example/a:1',
      target: target('a:1'),
      digest,
      ...copied,
      startedAt: times.startedAt,
      durationMs: 1_500,
    });
    await stage.documents.copyResult(0).put({ ...copied, startedAt: times.startedAt });
    expect(await rowOf(image('a:1'))).not.toHaveProperty('durationMs');
    await stage.documents.copyResult(0).put({ ...copied, endedAt: times.endedAt });
    expect(await rowOf(image('a:1'))).not.toHaveProperty('durationMs');
  });

  it('names the bundle as the source of an import, and a copy of it imported', async () => {
    const bundle = { address: '/usb/harness.tar' };
    await stage.documents.copyResult(0).put({ status: 'copied', bytesTransferred: 1, bytesSkipped: 0 });
    await stage.documents.copyResult(1).put({ status: 'repaired', bytesTransferred: 1, bytesSkipped: 0 });
    const report = await reported({ action: 'import', bundle, images: [image('a:1'), image('b:1')] });
    expect(report.images).toMatchObject([
      { source: '/usb/harness.tar', status: 'imported' },
      { source: '/usb/harness.tar', status: 'repaired' },
    ]);
    expect(report).toMatchObject({ bundle, totals: { copied: 1, repaired: 1, skipped: 0, failed: 0 } });
  });

  it('has the bytes that an export wrote and those that images share', async () => {
    const bundle = { address: '/usb/harness.tar' };
    await stage.documents.exported.put({ id: 'bundle-1', bytes: 10, size: 20, resumedAt: 0 });
    const images = [image('a:1', { size: 9, uniqueSize: 4 }), image('b:1')];
    const report = await reported({ action: 'export', bundle, images });
    expect(report.images).toMatchObject([
      { source: 'source.example/a:1', status: 'exported', bytesTransferred: 4, bytesSkipped: 5 },
      { source: 'source.example/b:1', status: 'exported', bytesTransferred: 0, bytesSkipped: 0 },
    ]);
    expect(report).toMatchObject({ bundle: { ...bundle, id: 'bundle-1', bytes: 10 }, totals: { copied: 2 } });
  });
});

describe('the rows of fields', () => {
  const field = { module: 'ci', infrastructureType: 'K8', field: 'addonTag', from: 'old', to: 'new' } as const;
  const changes = [change('addonTag', 'new', { from: 'old', image: 'a:1' })];

  it('shows as planned what a plan or a verify finds that a sync would write', async () => {
    for (const action of ['plan', 'verify'] as const)
      expect((await reported({ action, changes })).config).toEqual([{ ...field, status: 'planned' }]);
    expect((await reported({ action: 'plan', changes, modifyDefault: false })).config).toEqual([
      { ...field, to: 'old', status: 'unchanged' },
    ]);
  });

  it('shows as planned the fields whose switch awaits a person', async () => {
    const awaiting = { reason: 'first switch', command: 'factory sync', changes };
    expect((await reported({ awaiting })).config).toEqual([{ ...field, status: 'planned' }]);
  });

  it('says how far the value is behind that Harness has after the run', async () => {
    const ahead = [
      { module: 'ci', infrastructureType: 'K8', field: 'addonTag', official: 'harness/ci-addon:1.4.0' },
    ] as const;
    const [from, to] = [target('ci-addon:1.2.0'), target('ci-addon:1.3.0')];
    const written = (status: 'updated' | 'rejected' | 'rolled-back') =>
      stage.documents.config.put([{ ...field, from, to, status }]);
    const behind = async () => (await reported({ ahead: [...ahead] })).config[0]?.behind?.by;
    await written('updated');
    expect(await behind()).toBe('1 minor version');
    for (const status of ['rejected', 'rolled-back'] as const) {
      await written(status);
      expect(await behind()).toBe('2 minor versions');
    }
    await stage.documents.config.put([{ ...field, field: 'liteEngineTag', from, to, status: 'updated' }]);
    expect(await behind()).toBeUndefined();
  });
});

describe('the row of the connector', () => {
  const connector: ConnectorChange = {
    reference: 'account.harnessImage',
    ref: { identifier: 'harnessImage' },
    from: { dockerRegistryUrl: 'https://user:secret@old.example' },
    to: { dockerRegistryUrl: 'https://new.example' },
  };
  const row = { reference: 'account.harnessImage', before: 'https://old.example', after: 'https://new.example' };

  it('shows the connector as planned in a plan and a verify, and unchanged in a run that did not write it', async () => {
    for (const action of ['plan', 'verify'] as const)
      expect((await reported({ action, connector })).connector).toEqual({ ...row, status: 'planned' });
    expect((await reported({ connector })).connector).toEqual({ ...row, after: row.before, status: 'unchanged' });
  });

  it('shows the connector in the state that the run left', async () => {
    await stage.documents.connector.put({ status: 'changed', after: 'https://new.example' });
    expect(await reported({ connector })).toMatchObject({
      connector: { ...row, status: 'changed' },
      harness: 'switched',
    });
    expect(await reported()).not.toHaveProperty('connector');
  });
});
