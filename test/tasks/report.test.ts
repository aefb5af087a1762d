import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { errorNames } from '../../functions/errors.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { outputOf } from '../../functions/report/output.ts';
import { report } from '../../functions/report/report.ts';
import type { ErrorDocument } from '../../functions/errors.ts';
import type { ConfigResult, Plan, PlannedImage, Report } from '../../functions/state/documents.ts';
import { readInventory } from '../../functions/state/inventory.ts';
import { Runtime } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { FileStore } from '../../infra/local/file-store.ts';
import { k8, startFactory } from './factory.ts';
import { noTotals } from './no-totals.ts';
import { caught, imageOf, planOf } from './stage.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const error = (name: string, message = 'why') => ({ name, message, hint: 'do' }) as ErrorDocument;

let folder: string;
let runtime: Runtime;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-test-'));
  runtime = new Runtime({
    configuration: parseConfiguration({ HARNESS_API_KEY: 'sat.account.id.secret' }),
    store: new FileStore(folder),
    harnessApiKey: async () => '',
    credentials: anonymous,
    repositories: { ensure: async () => undefined, deleteImages: async () => false },
  });
});
afterEach(async () => {
  await runtime.close();
  await rm(folder, { recursive: true });
});

const image = (name: string, more: Record<string, unknown> = {}): PlannedImage =>
  imageOf({
    image: name,
    source: `docker.io/${name}`,
    target: `reg.example/m/${name}`,
    digest,
    status: 'copy',
    size: 100,
    uniqueSize: 60,
    ...more,
  });

async function reported(plan: Partial<Plan>, state: Parameters<typeof report>[0]['state'] = {}): Promise<Report> {
  await runtime.run('run').plan.put(planOf({ runId: 'run', startedAt: new Date().toISOString(), ...plan }));
  return report({ runId: 'run', state }, { runtime, signal: undefined });
}

describe('who started a run', () => {
  it('stands in the report, from the plan or, before there is one, from the input', async () => {
    expect((await reported({ startedBy: 'arn:one' })).startedBy).toBe('arn:one');
    const early = (input: unknown) =>
      report({ runId: 'early', state: { error: caught('InvalidInput'), input } }, { runtime, signal: undefined });
    expect((await early({ started_by: 'arn:two', action: 'sink' })).startedBy).toBe('arn:two');
    for (const input of [{ started_by: 7 }, {}, null, 'started_by'])
      expect(await early(input)).not.toHaveProperty('startedBy');
  });
});

describe('the rows of images', () => {
  const images = [
    image('a:1', { status: 'current' }),
    image('b:1'),
    image('c:1'),
    image('d:1', { status: 'failed', error: error('ImageNotFound') }),
    image('e:1'),
  ];

  async function afterCopies(): Promise<Report> {
    const results = runtime.run('run');
    await results.copyResult(1).put({ status: 'copied', bytesTransferred: 40, bytesSkipped: 60 });
    await results
      .copyResult(2)
      .put({ status: 'failed', bytesTransferred: 0, bytesSkipped: 0, error: error('PushRefused') });
    return reported({ images });
  }

  it('shows the outcome of each image', async () => {
    const { images: rows } = await afterCopies();
    expect(rows.map(({ image: name, status }) => `${name} ${status}`)).toEqual([
      'a:1 skipped',
      'b:1 copied',
      'c:1 failed',
      'd:1 failed',
      'e:1 planned',
    ]);
    expect(rows.map((row) => row.error?.name)).toEqual([
      undefined,
      undefined,
      'PushRefused',
      'ImageNotFound',
      undefined,
    ]);
  });

  it('add up to the totals', async () => {
    const { totals } = await afterCopies();
    expect(totals).toEqual({
      images: 5,
      copied: 1,
      repaired: 0,
      skipped: 1,
      failed: 2,
      bytesTransferred: 40,
      bytesSkipped: 160,
      durationMs: expect.any(Number),
    });
  });

  it('counts no negative duration where clocks differ', async () => {
    const startedAt = new Date(Date.now() + 60_000).toISOString();
    expect((await reported({ startedAt })).totals.durationMs).toBe(0);
  });

  it('estimates the transfer of each image in a plan', async () => {
    const { totals } = await reported({ action: 'plan', images: images.slice(0, 3) });
    expect(totals).toMatchObject({ bytesTransferred: 120, bytesSkipped: 180 });
  });

  it('put what was copied into the inventory, and not what others put there', async () => {
    await afterCopies();
    expect(await readInventory(runtime.store)).toEqual({ 'reg.example/m/b:1': digest });
    await runtime.run('run').copyResult(1).put({ status: 'copied', bytesTransferred: 1, bytesSkipped: 0 });
    await reported({ images: [image('a:1', { status: 'current' }), image('signed:1', { present: true })] });
    expect(await readInventory(runtime.store)).toEqual({ 'reg.example/m/b:1': digest });
  });
});

describe('the warnings of a copy', () => {
  const copiedWith = async (count: number) => {
    const warnings = Array.from({ length: count }, (_, index) => `warning ${index + 1}`);
    const copied = { status: 'copied', bytesTransferred: 1, bytesSkipped: 0, warnings } as const;
    await runtime.run('run').copyResult(0).put(copied);
    return (await reported({ images: [image('a:1')] })).warnings;
  };

  it('shows up to three warnings of an image', async () => {
    expect(await copiedWith(3)).toEqual(['a:1: warning 1', 'a:1: warning 2', 'a:1: warning 3']);
  });

  it('counts the warnings after the third', async () => {
    expect((await copiedWith(4))?.slice(2)).toEqual(['a:1: warning 3', 'a:1: 1 more like these']);
    expect((await copiedWith(5))?.slice(2)).toEqual(['a:1: warning 3', 'a:1: 2 more like these']);
  });
});

describe('the rows of the configuration', () => {
  const field = { module: 'ci', infrastructureType: 'K8', field: 'addonTag' } as const;
  const change = { ...field, from: 'old', to: 'new', image: 'a:1' };

  it('shows changes as planned in a plan, and as unchanged in a run that ended early', async () => {
    expect((await reported({ action: 'plan', changes: [change] })).config).toEqual([
      { ...field, from: 'old', to: 'new', status: 'planned' },
    ]);
    expect((await reported({ changes: [change] })).config).toEqual([
      { ...field, from: 'old', to: 'old', status: 'unchanged' },
    ]);
  });

  it('shows why a field was kept or held back', async () => {
    await runtime.run('run').changes.put({ changes: [], held: [{ ...field, value: 'old', reason: 'not copied' }] });
    const kept = [{ ...field, field: 'gitCloneTag', value: null, reason: 'soaks' }];
    expect((await reported({ changes: [change], kept })).config).toEqual([
      { ...field, field: 'gitCloneTag', from: null, to: null, status: 'unchanged', reason: 'soaks' },
      { ...field, from: 'old', to: 'old', status: 'unchanged', reason: 'not copied' },
    ]);
  });

  it('say what was written, each field once', async () => {
    const row: ConfigResult = { ...field, from: 'old', to: 'new', status: 'updated' };
    await runtime.run('run').config.put([row]);
    expect((await reported({ changes: [change] })).config).toEqual([row]);
  });
});

describe('the error', () => {
  it('reports the error of the workflow', async () => {
    const document = await reported({}, { error: caught('ImagesFailed') });
    expect(document).toMatchObject({ status: 'FAILED', error: error('ImagesFailed') });
  });

  it('reports a failed rollback first, with the error that led to it', async () => {
    const document = await reported(
      {},
      { error: caught('VerificationFailed', 'lost'), rollbackError: caught('RollbackFailed', 'stuck') },
    );
    expect(document.error).toEqual(error('RollbackFailed', 'stuck (after VerificationFailed: lost)'));
  });

  it('names the fields that were written when the function of the rollback did not run', async () => {
    const row = (field: string, status: ConfigResult['status']): ConfigResult => {
      return { module: 'ci', infrastructureType: 'K8', field, from: 'old', to: 'new', status };
    };
    await runtime
      .run('run')
      .config.put([row('addonTag', 'updated'), row('liteEngineTag', 'reset'), row('gitCloneTag', 'unchanged')]);
    const state = { error: caught('VerificationFailed'), rollbackError: caught('FunctionCrashed', 'out of memory') };
    const { name = '', message = '', hint = '' } = (await reported({}, state)).error ?? {};
    expect(name).toBe('RollbackFailed');
    const said = `${message} ${hint}`;
    expect(said).toContain('addonTag');
    expect(said).toContain('liteEngineTag');
    expect(said).not.toContain('gitCloneTag');
  });

  it('reports a failed prune as a warning', async () => {
    const document = await reported({ warnings: ['first'] }, { pruneError: caught('RegistryForbidden', 'no') });
    expect(document).toMatchObject({ status: 'SUCCEEDED', warnings: ['first', 'prune stopped: no'] });
  });

  it('reports as a warning that tags could not be moved', async () => {
    const document = await reported({}, { tagsError: caught('StoreFailed', 'no') });
    expect(document).toMatchObject({ status: 'SUCCEEDED', warnings: ['not all tags were moved: no'] });
  });

  it('reports an error before the plan alone, with the requested action', async () => {
    const state = { error: caught('InvalidInput'), input: { action: 'reset' } };
    const document = await report({ runId: 'early', state }, { runtime, signal: undefined });
    expect(document).toMatchObject({
      status: 'FAILED',
      action: 'reset',
      runId: 'early',
      images: [],
      error: error('InvalidInput'),
    });
    const { cause, ...written } = document;
    expect(await runtime.run('early').report.get()).toEqual(written);
    expect(cause).toContain('why\nNext: do');
    for (const input of [{ action: 7 }, null, [], 'reset']) {
      const odd = { runId: 'odd', state: { error: caught('InvalidInput'), input } };
      expect((await report(odd, { runtime, signal: undefined })).action).toBe('sync');
    }
  });
});

describe('the size', () => {
  it('keeps the output of the state machine below its limit, and stores the whole report', async () => {
    // In bytes, not in characters.
    const images = Array.from({ length: 400 }, (_, i) =>
      image(`long-${i}:1`, { status: 'failed', error: error('ImageNotFound', '…'.repeat(250)) }),
    );
    const warnings = Array.from({ length: 3_000 }, () => 'x'.repeat(100));
    const document = await reported({ images, warnings });
    expect(Buffer.byteLength(JSON.stringify(document))).toBeLessThan(262_144);
    expect(document).toMatchObject({ images: [], config: [], totals: { failed: 400 } });
    expect(document.warnings).toEqual([expect.stringContaining('runs/run/report.json')]);
    expect((await runtime.run('run').report.get()).images).toHaveLength(400);
  });
});

describe('the output of the workflow', () => {
  it('returns the whole report up to 240,000 bytes, and no lists above', async () => {
    const config: ConfigResult[] = [
      { module: 'ci', infrastructureType: 'K8', field: 'addonTag', from: 'a', to: 'b', status: 'updated' },
    ];
    const whole: Report = { status: 'SKIPPED', action: 'sync', runId: 'run', images: [], config, totals: noTotals };
    const ofBytes = (bytes: number) => {
      const reason = 'x'.repeat(bytes - Buffer.byteLength(JSON.stringify({ ...whole, reason: '' })));
      return outputOf({ ...whole, reason }, runtime.run('run'), undefined);
    };
    expect(Buffer.byteLength(JSON.stringify(ofBytes(240_000)))).toBe(240_000);
    expect(ofBytes(240_000).config).toEqual(config);
    expect(ofBytes(240_001).config).toEqual([]);
  });
});

describe('a skipped run', () => {
  it('states the reason of a skipped run', async () => {
    expect(await reported({ skipped: 'not confirmed' })).toMatchObject({ status: 'SKIPPED', reason: 'not confirmed' });
  });
});

describe('the document of real runs', () => {
  const keys = (value: object) => Object.keys(value).toSorted();
  const allowed = {
    status: ['SUCCEEDED', 'FAILED', 'SKIPPED'],
    image: ['copied', 'repaired', 'skipped', 'failed', 'planned'],
    config: ['updated', 'reset', 'unchanged', 'rejected', 'rolled-back', 'planned'],
  };

  /** The contract, key by key; `?` are the ones that may be missing. */
  function check(document: Report): void {
    const optional = (value: object, names: string[]) => keys(value).filter((key) => !names.includes(key));
    expect(
      optional(document, [
        // Absent when the input was refused.
        'accountId',
        'factory',
        'registry',
        'trigger',
        'awaiting',
        'blocked',
        'error',
        'incomplete',
        'input',
        'pulls',
        'reason',
        'registries',
        'unused',
        'warnings',
      ]),
    ).toEqual(['action', 'config', 'endedAt', 'harness', 'images', 'phases', 'runId', 'startedAt', 'status', 'totals']);
    expect(allowed.status).toContain(document.status);
    for (const row of document.images) {
      expect(optional(row, ['error', 'startedAt', 'durationMs', 'attempts'])).toEqual([
        'bytesSkipped',
        'bytesTransferred',
        'digest',
        'image',
        'source',
        'status',
        'target',
      ]);
      expect(allowed.image).toContain(row.status);
    }
    for (const row of document.config) {
      expect(optional(row, ['reason'])).toEqual(['field', 'from', 'infrastructureType', 'module', 'status', 'to']);
      expect(allowed.config).toContain(row.status);
    }
    expect(keys(document.totals)).toEqual([
      'bytesSkipped',
      'bytesTransferred',
      'copied',
      'durationMs',
      'failed',
      'images',
      'repaired',
      'skipped',
    ]);
    if (document.error) {
      expect(optional(document.error, ['problems'])).toEqual(['hint', 'message', 'name']);
      expect(errorNames).toContain(document.error.name);
      for (const problem of document.error.problems ?? [])
        expect(optional(problem, ['reason'])).toEqual(['allowed', 'found', 'path']);
    }
    const { totals, images } = document;
    for (const status of ['copied', 'repaired', 'skipped', 'failed'] as const)
      expect(totals[status]).toBe(images.filter((row) => row.status === status).length);
  }

  it('writes the keys and values of the contract for every action and outcome', async () => {
    const factory = await startFactory({ harness: { quirks: { nonWritableFields: ['ci/K8/securityTag'] } } });
    try {
      const documents = [
        await factory.run('plan'),
        await factory.sync({ referrers: 'all' }),
        await factory.run('verify'),
        await factory.run('reset'),
        await factory.run('verify'),
        await factory.run('sync', { registry: 'user:pass@host', nonsense: 1 }),
      ];
      factory.harness.setDefault('ci', 'K8', 'addonTag', `${k8['addonTag']}-missing`);
      documents.push(await factory.sync());
      documents.forEach(check);
      expect(documents.map(({ action, status }) => `${action} ${status}`)).toEqual([
        'plan SUCCEEDED',
        'sync SUCCEEDED',
        'verify SUCCEEDED',
        'reset SUCCEEDED',
        'verify FAILED',
        'sync FAILED',
        'sync FAILED',
      ]);
      // What is returned is what is kept.
      for (const document of documents)
        expect(await factory.document(`runs/${document.runId}/report.json`)).toEqual({ version: 1, ...document });
    } finally {
      await factory.close();
    }
  });
});
