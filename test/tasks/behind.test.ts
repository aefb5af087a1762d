import { afterEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { type ProfileName, profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, startFactory, ownWarnings } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

const pair = { include_fields: ['addonTag', 'liteEngineTag'] };

/** Starts with the pair of a profile, whose defaults are then set to a version. */
async function startAt(profile: ProfileName, version: string): Promise<{ addon: string; engine: string }> {
  factory = await startFactory({ harness: { profile } });
  const name = (field: string) => factory.harness.defaults.ci.K8?.[field]?.split(':')[0] ?? '';
  const names = { addon: name('addonTag'), engine: name('liteEngineTag') };
  offer(names, version);
  return names;
}

function offer({ addon, engine }: { addon: string; engine: string }, version: string): void {
  factory.publish([`${addon}:${version}`, `${engine}:${version}`]);
  factory.harness.setDefault('ci', 'K8', 'addonTag', `${addon}:${version}`);
  factory.harness.setDefault('ci', 'K8', 'liteEngineTag', `${engine}:${version}`);
}

/** Requests for Harness's own checks since the last call. */
const checks = () =>
  factory.harness.requests.splice(0).filter(({ path }) => /execution-config(?:\/get-deprecated-config)?$/.test(path));

const behind = ({ config }: Report) => Object.fromEntries(config.map(({ field, behind: lag }) => [field, lag]));

describe.each(profileNames)('on %s', (profile) => {
  it('says how far a pinned version is behind, and that Harness reports it', async () => {
    const names = await startAt(profile, '1.14.3');
    await factory.sync(pair);
    expect(checks()).toEqual([]);
    offer(names, '1.18.27');
    const pins = { [names.addon]: '1.14.3', [names.engine]: '1.14.3' };
    for (const action of ['plan', 'sync'] as const) {
      const report = await factory.run(action, { ...pair, pins });
      expect(report.error).toBeUndefined();
      expect(behind(report)).toEqual({
        addonTag: { by: '4 minor versions', official: `${names.addon}:1.18.27`, harness: 'outdated' },
        liteEngineTag: { by: '4 minor versions', official: `${names.engine}:1.18.27`, harness: 'outdated' },
      });
      expect(summaryOf(report)).toMatch(
        /addonTag .*\(4 minor versions behind 1\.18\.27; Harness reports it as outdated\)/,
      );
      expect(checks()).toHaveLength(2);
    }
  });
});

it('says that Harness reports an old major version as deprecated', async () => {
  const names = await startAt('saas-2026', '1.18.3');
  await factory.sync(pair);
  offer(names, '2.0.0');
  const report = await factory.run('plan', { ...pair, pins: { [names.addon]: '1.18.3', [names.engine]: '1.18.3' } });
  expect(behind(report)['addonTag']).toEqual({
    by: '1 major version',
    official: `${names.addon}:2.0.0`,
    harness: 'deprecated',
  });
});

it('says how far a soaking field is behind', async () => {
  const names = await startAt('saas-2026', '1.18.3');
  await factory.sync(pair);
  offer(names, '1.18.5');
  const report = await factory.sync({ ...pair, soak_days: 7 });
  expect(behind(report)['addonTag']).toEqual({ by: '2 patch versions', official: `${names.addon}:1.18.5` });
  expect(summaryOf(report)).toMatch(/addonTag .*soaks until \d{4}-\d\d-\d\d; 2 patch versions behind 1\.18\.5\)/);
});

it('neither requests a check nor shows a lag when every field follows its default', async () => {
  const names = await startAt('saas-2026', '1.18.3');
  await factory.sync(pair);
  offer(names, '1.18.5');
  const report = await factory.sync(pair);
  expect(behind(report)).toEqual({ addonTag: undefined, liteEngineTag: undefined });
  expect(checks()).toEqual([]);
});

it.each([403, 404, 500, 503])('continues without a word when a check returns %i, after one request', async (status) => {
  const names = await startAt('saas-2026', '1.14.3');
  await factory.sync(pair);
  offer(names, '1.18.27');
  checks();
  factory.harness.quirks.failNext = [{ count: 100, status, path: '/get-deprecated-config' }];
  const report = await factory.run('plan', { ...pair, pins: { [names.addon]: '1.14.3', [names.engine]: '1.14.3' } });
  expect(report.error).toBeUndefined();
  expect(ownWarnings(report)).toEqual([]);
  expect(behind(report)['addonTag']).toMatchObject({ harness: 'outdated' });
  expect(checks()).toHaveLength(2);
});

it("says how far a user's own image is behind on saas-2023, whose checks fail on the missing counterpart", async () => {
  const names = await startAt('saas-2023', '1.18.27');
  const { ci } = factory.harness.state[factory.harness.accountId] ?? {};
  Object.assign(ci?.K8 ?? {}, { addonTag: 'other.example/tools/ci-addon:1.14.3' });
  const report = await factory.run('plan', pair);
  expect(report.error).toBeUndefined();
  expect(ownWarnings(report)).toEqual([
    expect.stringContaining('addonTag at 1.14.3 and liteEngineTag at 1.18.27 run in the same pod'),
  ]);
  expect(behind(report)['addonTag']).toEqual({ by: '4 minor versions', official: `${names.addon}:1.18.27` });
  expect(checks()).toHaveLength(2);
});

it('shows the lag of a field that the run could not switch', async () => {
  const names = await startAt('saas-2026', '1.18.3');
  await factory.sync(pair);
  offer(names, '1.18.5');
  factory.harness.quirks.nonWritableFields = ['ci/K8/*'];
  const report = await factory.sync(pair);
  expect(behind(report)['addonTag']).toMatchObject({ by: '2 patch versions' });
});
