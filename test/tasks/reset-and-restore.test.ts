import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { AccountState } from '../../infra/local/embedded/harness-api/state.ts';
import type { Report, Snapshot } from '../../functions/state/documents.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { Runtime } from '../../functions/runtime/runtime.ts';
import { type Factory, pullThrough, startFactory, statuses } from './factory.ts';

describe('reset and restore', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory();
  });
  afterEach(() => factory.close());

  function account(): AccountState {
    const state = factory.harness.state[factory.harness.accountId];
    if (!state) throw new TypeError();
    return state;
  }

  describe('reset', () => {
    it('gives Harness its own images back in one batch per scope, and changes nothing at the registry', async () => {
      await factory.sync({ infrastructure_type: ['K8', 'VM'] });
      factory.harness.requests.length = 0;
      factory.target.requests.length = 0;
      const report = await factory.run('reset', { infrastructure_type: ['K8', 'VM'] });
      expect(report.status).toBe('SUCCEEDED');
      expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['reset']));
      expect(factory.overrides()).toEqual({});
      expect(factory.overrides('ci', 'VM')).toEqual({});
      expect(factory.writes().map(({ path, infra }) => `${path} ${infra}`)).toEqual([
        'reset-config ci K8',
        'reset-config ci VM',
      ]);
      expect(new Set(factory.target.requests.map(({ method }) => method))).toEqual(new Set(['HEAD']));
    });

    it('resets one infrastructure type, and leaves the other alone', async () => {
      await factory.sync({ infrastructure_type: ['K8', 'VM'] });
      await factory.run('reset', { infrastructure_type: 'VM' });
      expect(factory.overrides('ci', 'VM')).toEqual({});
      expect(Object.keys(factory.overrides()).length).toBeGreaterThan(0);
    });

    it('resets nothing when nothing is overridden', async () => {
      const report = await factory.run('reset');
      expect(report).toMatchObject({ status: 'SUCCEEDED', config: [] });
      expect(factory.writes()).toEqual([]);
    });

    it('takes no snapshot when there is nothing to reset', async () => {
      expect((await factory.run('reset', {}, { runId: 'empty' })).status).toBe('SUCCEEDED');
      expect(await factory.store.get('runs/empty/snapshot.json')).toBeUndefined();
      await factory.sync();
      await factory.run('reset', {}, { runId: 'full' });
      expect(await factory.store.get('runs/full/snapshot.json')).toBeDefined();
    });

    it('resets only what points at our registry, unless reset_scope is all', async () => {
      account().ci.K8 = { gitCloneTag: 'registry.corp.example/git:1', cacheS3Tag: factory.copyOf('plugins/cache:1') };
      const ours = await factory.run('reset');
      expect(statuses(ours)).toEqual({ 'ci K8 gitCloneTag': 'unchanged', 'ci K8 cacheS3Tag': 'reset' });
      expect(factory.overrides()).toEqual({ gitCloneTag: 'registry.corp.example/git:1' });
      await factory.run('reset', { reset_scope: 'all' });
      expect(factory.overrides()).toEqual({});
    });

    it('distinguishes our prefix from a longer one', async () => {
      account().ci.K8 = { gitCloneTag: `${factory.registry}-of-others/harness/drone-git:1` };
      await factory.run('reset');
      expect(factory.overrides()).toHaveProperty('gitCloneTag');
    });

    it('resets only selected fields or images', async () => {
      await factory.sync();
      await factory.run('reset', { include_fields: ['plugins/*', 'addonTag'], exclude_fields: ['cacheGCSTag'] });
      expect(Object.keys(factory.overrides())).toEqual(['liteEngineTag', 'gitCloneTag', 'cacheGCSTag', 'securityTag']);
    });

    it('reports and undoes a reset that does not show, not even on the second attempt', async () => {
      await factory.sync({ include_fields: ['cacheS3Tag'] });
      const value = factory.overrides();
      factory.harness.quirks.loseWrites = 2;
      const report = await factory.run('reset');
      expect(report.error).toMatchObject({ name: 'VerificationFailed', message: expect.stringContaining('not unset') });
      expect(factory.overrides()).toEqual(value);
    });
  });

  describe('what pods pull after a reset', () => {
    const choice = { include_fields: ['gitCloneTag', 'cacheS3Tag'] };
    const pinned = { ...choice, pins: { 'harness/drone-git': '1.6.0' } };
    const official = 'harness/drone-git:1.7.25-rootless';
    beforeEach(async () => {
      factory.publish(['harness/drone-git:1.6.0-rootless']);
      expect((await factory.sync(pinned)).error).toBeUndefined();
    });
    const fieldsOf = (report: Report, status: string) =>
      report.pulls?.flatMap((row) => (row.status === status ? row.fields : []));

    it("lists the images, and warns of Harness's own that are not there", async () => {
      const report = await factory.run('reset');
      expect(report.status).toBe('SUCCEEDED');
      expect(factory.overrides()).toEqual({});
      expect(report.pulls).toContainEqual({
        reference: factory.copyOf(official),
        official,
        status: 'missing',
        fields: ['ci K8 gitCloneTag'],
      });
      expect(fieldsOf(report, 'present')).toContain('ci K8 cacheS3Tag');
      expect(report.warnings).toEqual([
        expect.stringMatching(
          /images without an override would be pulled from .*\/mirror, where they do not exist: .*drone-git:1\.7\.25-rootless.*\. Copy them with sync, or give connector account\.harnessImage an address that has them\.$/,
        ),
      ]);
    });

    it('warns through a connector for the registry without the prefix', async () => {
      pullThrough(factory.harness, `http://${factory.target.host}`);
      const report = await factory.run('reset');
      expect(report.warnings).toEqual([expect.stringContaining(`where these do not exist: `)]);
    });

    it('looks nothing up at the registry when pods pull from another one', async () => {
      pullThrough(factory.harness, 'https://index.docker.io/v2/');
      factory.target.requests.length = 0;
      const report = await factory.run('reset');
      expect(report.warnings).toBeUndefined();
      expect(new Set(report.pulls?.map(({ status }) => status))).toEqual(new Set(['elsewhere']));
      expect(factory.target.requests).toEqual([]);
    });

    it.each<[string, () => void, string]>([
      [
        'the registry refuses lookups',
        () => factory.target.faults.add({ match: { times: 1_000 }, act: { status: 403 } }),
        'could not be looked up at the registry: ',
      ],
      [
        'the registry does not respond',
        () => {
          factory.target.faults.add({ match: { times: 1_000 }, act: 'stall' });
          const timeout = AbortSignal.timeout.bind(AbortSignal);
          jest.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout(ms === 20_000 ? 50 : ms));
        },
        'what pods pull after the reset could not be checked: no result after 20 s',
      ],
      [
        'Harness does not show the connector',
        () => (factory.harness.quirks.failNext = [{ count: 99, status: 403, path: '/connectors' }]),
        "the connector of Harness's images could not be checked: ",
      ],
      [
        'Harness fails to show the connector',
        () => (factory.harness.quirks.failNext = [{ count: 99, status: 500, path: '/connectors' }]),
        "the connector of Harness's images could not be checked: ",
      ],
      [
        'Harness cannot read the address of the connector',
        () => pullThrough(factory.harness, 'nowhere'),
        'could not be looked up at the registry: ',
      ],
    ])('resets all the same when %s', async (_situation, act, warning) => {
      act();
      const report = await factory.run('reset');
      jest.restoreAllMocks();
      expect(report.status).toBe('SUCCEEDED');
      expect(factory.overrides()).toEqual({});
      expect(report.warnings).toEqual([expect.stringContaining(warning)]);
    });
  });

  describe('restore', () => {
    it('puts back what every scope was before a run, whatever scopes are the default', async () => {
      account().ci.K8 = { gitCloneTag: 'harness/drone-git:1.5.0' };
      account().ci.VM = { gitCloneTag: 'harness/drone-git:1.4.0', cacheS3Tag: 'docker.io/plugins/cache:1' };
      const before = structuredClone(account().ci);
      const { runId } = await factory.sync({ infrastructure_type: ['K8', 'VM'] });
      expect(account().ci).not.toEqual(before);
      const report = await factory.run('restore', { restore_run: runId });
      expect(report.status).toBe('SUCCEEDED');
      expect(account().ci).toEqual(before);
      expect(
        report.config.find(({ infrastructureType, field }) => infrastructureType === 'VM' && field === 'cacheS3Tag'),
      ).toEqual({
        module: 'ci',
        infrastructureType: 'VM',
        field: 'cacheS3Tag',
        from: factory.copyOf('plugins/cache:1.10.12'),
        to: 'docker.io/plugins/cache:1',
        status: 'updated',
      });
    });

    it('restores the state before a restore', async () => {
      const { runId } = await factory.sync();
      const synced = factory.overrides();
      const restored = await factory.run('restore', { restore_run: runId });
      expect(factory.overrides()).toEqual({});
      await factory.run('restore', { restore_run: restored.runId });
      expect(factory.overrides()).toEqual(synced);
    });

    it('puts back what is no image name as well', async () => {
      account().ci.K8 = { gitCloneTag: ':TeethyTiger' };
      await factory.sync({ include_fields: ['cacheS3Tag'] });
      const { runId } = await factory.run('reset', { reset_scope: 'all' });
      const report = await factory.run('restore', { restore_run: runId });
      expect(report.error).toBeUndefined();
      expect(factory.overrides()).toMatchObject({ gitCloneTag: ':TeethyTiger' });
    });

    it('refuses a snapshot whose image is no longer at the registry', async () => {
      await factory.sync({ include_fields: ['cacheS3Tag'] });
      const { runId } = await factory.run('reset');
      factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
      const report = await factory.run('restore', { restore_run: runId });
      expect(report.error).toMatchObject({ name: 'ImagesIncomplete', hint: expect.stringContaining('pins') });
      expect(factory.overrides()).toEqual({});
    });

    it('refuses a run without a snapshot, and a snapshot of another account', async () => {
      const plan = await factory.run('plan');
      for (const restore_run of ['never', plan.runId]) {
        expect((await factory.run('restore', { restore_run })).error?.name).toBe('SnapshotNotFound');
      }
      const { runId } = await factory.sync();
      const key = `runs/${runId}/snapshot.json`;
      const snapshot = await factory.document<object>(key);
      await factory.store.put(key, Buffer.from(JSON.stringify({ ...snapshot, accountId: 'another' })));
      const report = await factory.run('restore', { restore_run: runId });
      expect(report.error).toMatchObject({ name: 'SnapshotNotFound', message: expect.stringContaining('embedded') });
    });
  });
});

describe('the snapshot', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  it('the overrides of every scope are stored before the first write, with time, run and account', async () => {
    const before = { gitCloneTag: 'harness/drone-git:1.5.0' };
    factory = await startFactory({ harness: { accounts: { embedded: { ci: { K8: before, VM: {} } } } } });
    let writesThen: number | undefined;
    factory.store.onPut = (key) => {
      if (key.endsWith('/snapshot.json')) writesThen = factory.writes().length;
    };
    const start = Date.now();
    const { runId } = await factory.sync({ infrastructure_type: ['K8', 'VM'] });
    expect(writesThen).toBe(0);
    expect(factory.writes()).toHaveLength(2);
    const snapshot = await factory.document<Snapshot>(`runs/${runId}/snapshot.json`);
    expect(snapshot).toEqual({
      version: 1,
      runId,
      accountId: 'embedded',
      takenAt: expect.any(String),
      scopes: [
        { module: 'ci', infrastructureType: 'K8', overrides: before },
        { module: 'ci', infrastructureType: 'VM', overrides: {} },
      ],
    });
    expect(Date.parse(snapshot.takenAt)).toBeGreaterThanOrEqual(start);
  });

  it('reads the configuration back at once, then with growing pauses of 30 s in all', async () => {
    factory = await startFactory();
    let pauses: readonly number[] = [];
    await factory.task(async (_, { runtime }) => {
      const parts = { store: runtime.store, repositories: runtime.repositories, configuration: runtime.configuration };
      const other = new Runtime({
        ...parts,
        harnessApiKey: async () => '',
        credentials: anonymous,
      });
      pauses = other.readBackPausesMs;
      await other.close();
    }, {});
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBe(30_000);
  });
});
