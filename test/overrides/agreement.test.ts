import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  compareOverrides,
  describeDifference,
  waitForAgreement,
  writeOverrides,
} from '../../functions/overrides/agreement.ts';
import { accountId, change, type HarnessStage, runId, setHarnessStage } from '../tasks/stage.ts';

let stage: HarnessStage;
beforeEach(async () => {
  stage = await setHarnessStage();
});
afterEach(() => stage.close());

describe('overrides', () => {
  it('compares overrides field by field, and reads each scope once', async () => {
    Object.assign(stage.overrides(), { addonTag: 'as-wanted', gitCloneTag: 'theirs' });
    Object.assign(stage.overrides('ci', 'VM'), { gitCloneTag: 'as-wanted' });
    const wanted = [
      change('addonTag', 'as-wanted'),
      change('gitCloneTag', null),
      change('cacheS3Tag', 'ours'),
      change('cacheGCSTag', null),
      change('gitCloneTag', 'as-wanted', { infrastructureType: 'VM' }),
    ];
    const differences = await compareOverrides(wanted, { runtime: stage.runtime });
    expect(differences.map(describeDifference)).toEqual([
      'ci K8 gitCloneTag is theirs, not unset',
      'ci K8 cacheS3Tag is not overridden, not ours',
    ]);
    expect(stage.requests()).toEqual(['reads ci K8', 'reads ci VM']);
  });

  const wanted = [change('addonTag', 'new')];

  it('reads overrides that agree only once', async () => {
    stage.overrides()['addonTag'] = 'new';
    expect(await waitForAgreement(wanted, { runtime: stage.runtime })).toEqual([]);
    expect(stage.requests()).toHaveLength(1);
  });

  it('reads overrides until they show a write', async () => {
    stage.overrides()['addonTag'] = 'new';
    stage.harness.quirks.oldCopy = { readings: 1, overrides: {} };
    expect(await waitForAgreement(wanted, { runtime: stage.runtime })).toEqual([]);
    expect(stage.requests()).toHaveLength(2);
  });

  it('returns overrides that still differ after the last pause', async () => {
    expect(await waitForAgreement(wanted, { runtime: stage.runtime })).toEqual([{ ...wanted[0], now: null }]);
    expect(stage.requests()).toHaveLength(3);
  });

  it('reads overrides again only after the pause, which an interruption ends', async () => {
    const hour = 3_600_000;
    const patient = await setHarnessStage({ readBackPausesMs: [hour] });
    try {
      const interruption = new AbortController();
      const waiting = waitForAgreement(wanted, { runtime: patient.runtime, signal: interruption.signal });
      setTimeout(() => interruption.abort(), 100);
      await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
      expect(patient.requests()).toHaveLength(1);
    } finally {
      await patient.close();
    }
  });

  it('writes overrides scope by scope, values and removals apart', async () => {
    await stage.runtime.lock.take({ runId, action: 'sync' }, accountId);
    Object.assign(stage.overrides(), { gitCloneTag: 'old', cacheS3Tag: 'theirs' });
    const run = { runtime: stage.runtime, signal: undefined };
    const more = change('addonTag', '3', { infrastructureType: 'VM' });
    await writeOverrides(runId, [change('addonTag', '1'), change('gitCloneTag', null), more], run);
    expect(stage.requests()).toEqual(['writes ci K8 addonTag', 'writes ci K8 gitCloneTag', 'writes ci VM addonTag']);
    expect(stage.overrides()).toEqual({ addonTag: '1', cacheS3Tag: 'theirs' });
    expect(stage.overrides('ci', 'VM')).toEqual({ addonTag: '3' });
  });

  it('writes no overrides without the lock or after an interruption', async () => {
    const run = { runtime: stage.runtime, signal: undefined };
    await expect(writeOverrides(runId, wanted, run)).rejects.toMatchObject({ name: 'LockLost' });
    await stage.runtime.lock.take({ runId, action: 'sync' }, accountId);
    const interrupted = { ...run, signal: AbortSignal.abort() };
    await expect(writeOverrides(runId, wanted, interrupted)).rejects.toThrow('aborted');
    expect(stage.requests()).toEqual([]);
  });
});
