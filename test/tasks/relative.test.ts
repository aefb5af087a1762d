import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Factory, ownWarnings, pullThrough, startFactory, statuses } from './factory.ts';

const cache = 'plugins/cache:1.10.12';
const choice = { include_fields: ['cacheS3Tag'] };
const relative = { ...choice, override_values: 'relative' };

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory();
});
afterEach(() => factory.close());

const set = (overrides: Record<string, string>) => {
  const account = factory.harness.state[factory.harness.accountId];
  if (account) account.ci.K8 = overrides;
};

describe('override_values: relative', () => {
  it('writes the official name, verifies, and finds nothing to do the next night', async () => {
    const report = await factory.sync(relative);
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 1 } });
    expect(factory.overrides()).toEqual({ cacheS3Tag: cache });
    expect(report.pulls).toContainEqual(
      expect.objectContaining({ reference: factory.copyOf(cache), status: 'present' }),
    );
    expect((await factory.run('verify', relative)).error).toBeUndefined();
    expect(statuses(await factory.sync(relative))).toEqual({ 'ci K8 cacheS3Tag': 'unchanged' });
    expect(factory.writes()).toHaveLength(1);
  });

  it('changes the form of copies in either direction', async () => {
    await factory.sync(choice);
    expect((await factory.sync(relative)).config).toMatchObject([
      { status: 'updated', from: factory.copyOf(cache), to: cache },
    ]);
    expect(factory.overrides()).toEqual({ cacheS3Tag: cache });
    await factory.sync(choice);
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf(cache) });
  });

  it('resets the values that a run wrote, and leaves those of the user', async () => {
    await factory.sync(relative);
    set({ cacheS3Tag: cache, addonTag: 'harness/ci-addon:1.16.0' });
    expect(statuses(await factory.run('reset'))).toEqual({
      'ci K8 cacheS3Tag': 'reset',
      'ci K8 addonTag': 'unchanged',
    });
    expect(factory.overrides()).toEqual({ addonTag: 'harness/ci-addon:1.16.0' });
  });

  it('reads nothing of earlier runs to find out whose a value is, however many there are', async () => {
    const reads = async () => {
      const get = jest.spyOn(factory.store, 'get');
      const list = jest.spyOn(factory.store, 'list');
      const report = await factory.sync(relative);
      expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'unchanged' });
      const keys = get.mock.calls.map(([key]) => key.replace(report.runId, 'RUN')).toSorted();
      const lists = list.mock.calls.map(([prefix]) => prefix);
      get.mockRestore();
      list.mockRestore();
      return { keys, lists };
    };
    const { runId } = await factory.sync(relative);
    await factory.sync(relative);
    const one = await reads();
    expect(one.keys).toContain('written-values.json');
    expect(one.keys.filter((key) => key.includes(runId))).toEqual([]);
    for (let night = 0; night < 3; night++) await factory.sync(relative);
    expect(await reads()).toEqual(one);
  });

  it('removes the value of a field that Harness no longer has, with prune', async () => {
    await factory.sync(relative);
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', undefined);
    factory.store.onPut = (key) => {
      // Harness's setter knows fields for longer than its list of images shows them.
      if (key.endsWith('/plan.json')) factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', cache);
    };
    await factory.sync({ override_values: 'relative', include_fields: ['addonTag', 'liteEngineTag'], prune: true });
    expect(factory.overrides()).toEqual({
      addonTag: 'harness/ci-addon:1.18.22',
      liteEngineTag: 'harness/ci-lite-engine:1.18.22',
    });
  });

  it('keeps the copies that values without a registry name from being pruned', async () => {
    await factory.sync(relative);
    await factory.sync({ ...relative, prune: true, keep_versions: 1 });
    expect(factory.arrived(cache)).toBeDefined();
  });

  it('restores values as they were, whatever form the input of the restore names', async () => {
    await factory.sync(choice);
    const { runId } = await factory.sync(relative);
    expect(factory.overrides()).toEqual({ cacheS3Tag: cache });
    const restore = { restore_run: runId, override_values: 'relative' };
    expect(await factory.run('restore', restore)).toMatchObject({ status: 'SUCCEEDED' });
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf(cache) });
  });

  it('restores and rolls back values as they were', async () => {
    await factory.sync(choice);
    const { runId } = await factory.sync(relative);
    await factory.run('restore', { restore_run: runId });
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf(cache) });
    factory.harness.quirks.failNext = [{ count: 1, status: 400, path: '/update-config' }];
    expect((await factory.sync(relative)).status).toBe('FAILED');
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf(cache) });
  });

  describe('the restore of a value that a run wrote', () => {
    const old = 'plugins/cache:1';

    /** Switches from version 1 to version 2, loses the copy of version 1, and restores what was before version 2. */
    async function restoreLost(input: object) {
      const runs: string[] = [];
      for (const image of [old, 'plugins/cache:2']) {
        factory.publish([image]);
        factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', image);
        runs.push((await factory.sync(input)).runId);
      }
      factory.target.storage.deleteManifest('mirror/plugins/cache', factory.arrived(old) ?? '');
      return factory.run('restore', { restore_run: runs[1] });
    }

    it.each([choice, relative])('does not happen without its image, in either form: %j', async (input) => {
      const report = await restoreLost(input);
      expect(report.error).toMatchObject({
        name: 'ImagesIncomplete',
        message: expect.stringContaining(`${factory.copyOf(old)} does not exist`),
      });
      expect(Object.values(factory.overrides())).toEqual([expect.stringMatching(/plugins\/cache:2$/)]);
    });

    it('does not happen through a connector for the registry without the prefix', async () => {
      await factory.sync(relative);
      const { runId } = await factory.run('reset');
      pullThrough(factory.harness, `http://${factory.target.host}`);
      const report = await factory.run('restore', { restore_run: runId });
      expect(report.error?.name).toBe('SwitchBlocked');
      expect(factory.overrides()).toEqual({});
    });

    it('does not happen when its image is incomplete', async () => {
      await factory.sync(relative);
      const { runId } = await factory.run('reset');
      const { storage } = factory.target;
      for (const blob of storage.blobs('mirror/plugins/cache')) storage.deleteBlob('mirror/plugins/cache', blob);
      const report = await factory.run('restore', { restore_run: runId });
      expect(report.error?.message).toContain(`${factory.copyOf(cache)} lacks blob`);
      expect(factory.overrides()).toEqual({});
    });
  });

  it('restores a value of the user, and warns when pods would not find its image', async () => {
    set({ cacheS3Tag: 'plugins/cache:1' });
    const { runId } = await factory.sync(relative);
    const report = await factory.run('restore', { restore_run: runId });
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([
      `pods would not find what the restore writes back: ${factory.copyOf('plugins/cache:1')}`,
    ]);
    expect(factory.overrides()).toEqual({ cacheS3Tag: 'plugins/cache:1' });
    factory.publish(['plugins/cache:1']);
    await factory.sync({ modify_default: false, extra_images: ['plugins/cache:1'], include_fields: [] });
    const again = await factory.sync(relative);
    expect(ownWarnings(await factory.run('restore', { restore_run: again.runId }))).toEqual([]);
  });

  describe('a connector that loses its prefix after the plan', () => {
    const loseAt = (document: string) => {
      factory.store.onPut = (key) => {
        if (key.endsWith(`/${document}.json`)) pullThrough(factory.harness, `http://${factory.target.host}`);
      };
    };
    const wrong = () =>
      `Harness would pull ${factory.target.host}/${cache} instead of ${factory.copyOf(cache)}, through account.harnessImage`;

    it.each([['sync'], ['restore']])('fails the verification of a %s, which is rolled back', async (action) => {
      let input: object = relative;
      if (action === 'restore') {
        await factory.sync(relative);
        input = { restore_run: (await factory.run('reset')).runId };
      }
      loseAt('plan');
      const report = await factory.run(action, input);
      expect(report.error).toMatchObject({
        name: 'VerificationFailed',
        message: expect.stringContaining(wrong()),
      });
      expect(factory.overrides()).toEqual({});
    });

    it('shows as a difference in verify, and as a warning of the next sync', async () => {
      await factory.sync(relative);
      pullThrough(factory.harness, `http://${factory.target.host}`);
      expect((await factory.run('verify', relative)).error).toMatchObject({
        name: 'DriftFound',
        message: expect.stringContaining(wrong()),
      });
      expect((await factory.sync(relative)).warnings).toContainEqual(
        `through connector account.harnessImage (http://${factory.target.host}) Harness pulls ${factory.target.host}/${cache} instead of ${factory.copyOf(cache)}`,
      );
    });

    it('does not concern values of the user, or a connector for another registry', async () => {
      set({ addonTag: 'acme/addon:1' });
      await factory.sync(relative);
      pullThrough(factory.harness, 'https://index.docker.io/v2/');
      expect((await factory.run('verify', relative)).error).toBeUndefined();
      pullThrough(factory.harness, `http://${factory.target.host}`);
      expect((await factory.run('verify', relative)).error?.message).not.toContain('acme');
    });

    it('fails the verification when Harness cannot read the address', async () => {
      factory.store.onPut = (key) => {
        if (key.endsWith('/plan.json')) pullThrough(factory.harness, 'nowhere');
      };
      expect((await factory.sync(relative)).error?.message).toContain(
        `Harness would pull nothing instead of ${factory.copyOf(cache)}`,
      );
    });
  });

  it('switches with a configured connector that does not exist: Harness uses the names as written', async () => {
    await factory.close();
    factory = await startFactory({ environment: { CONTAINER_REGISTRY_CONNECTOR: 'account.none' } });
    expect((await factory.sync(relative)).error).toBeUndefined();
    expect((await factory.run('verify', relative)).error).toBeUndefined();
  });

  it('repairs a copy that a value without a registry names', async () => {
    await factory.sync(relative);
    const digest = factory.arrived(cache) ?? '';
    factory.target.storage.deleteManifest('mirror/plugins/cache', digest);
    expect(await factory.sync(relative)).toMatchObject({ status: 'SUCCEEDED' });
    expect(factory.arrived(cache)).toBe(digest);
  });

  it('warns when the connector of the account is for another registry', async () => {
    pullThrough(factory.harness, 'https://index.docker.io/v2/');
    const report = await factory.sync(relative);
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([
      `through connector account.harnessImage Harness pulls ${cache}, not the copy. Only stages with a connector for the copies use them.`,
    ]);
  });

  it('does not switch when the connector is for the registry without the prefix', async () => {
    pullThrough(factory.harness, `http://${factory.target.host}`);
    const report = await factory.sync(relative);
    expect(report.error).toMatchObject({
      name: 'SwitchBlocked',
      message: expect.stringContaining(
        `would pull ${factory.target.host}/${cache} instead of ${factory.copyOf(cache)}`,
      ),
    });
    expect(factory.writes()).toEqual([]);
  });
});
