import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import { stopClock } from '../state/clock.ts';
import { type Factory, startFactory } from './factory.ts';

let factory: Factory;
beforeEach(() => stopClock(Date.parse('2026-01-01T02:00:00Z')));
afterEach(async () => {
  jest.useRealTimers();
  await factory.close();
});

const skewed = ({ warnings = [] }: Report) => warnings.filter((warning) => warning.includes('run in the same pod'));

/** Publishes a version of the pair that is not Harness's current one. */
function publish(version: string): void {
  const { addonTag = '', liteEngineTag = '' } = factory.harness.defaults.ci.K8 ?? {};
  factory.publish([addonTag, liteEngineTag].map((image) => image.replace(/:.*/, `:${version}`)));
}

it.each(profileNames)('warns of a pin that parts addon and lite engine, until both are pinned: %s', async (profile) => {
  factory = await startFactory({ harness: { profile } });
  publish('1.15.1');
  const [, current] = (factory.harness.defaults.ci.K8?.['liteEngineTag'] ?? '').split(':');
  const pins = { 'harness/ci-addon': '1.15.1' };
  expect(skewed(await factory.run('plan', { pins }))).toEqual([
    `ci K8: addonTag at 1.15.1 and liteEngineTag at ${current} run in the same pod, but Harness releases both at one version. Pin both or neither, and leave out both or neither`,
  ]);
  const both = { ...pins, 'harness/ci-lite-engine': '1.15.1' };
  expect(skewed(await factory.run('plan', { pins: both }))).toEqual([]);
  expect(skewed(await factory.run('plan', { pins, modify_default: false }))).toEqual([]);
});

it('warns of a field that is left out while its counterpart soaks', async () => {
  factory = await startFactory();
  const soak = { include_fields: ['addonTag', 'cacheS3Tag'], soak_days: 7 };
  expect(skewed(await factory.sync(soak))).toEqual([]);
  publish('1.18.23');
  factory.harness.setDefault('ci', 'K8', 'addonTag', 'harness/ci-addon:1.18.23');
  factory.harness.setDefault('ci', 'K8', 'liteEngineTag', 'harness/ci-lite-engine:1.18.23');
  jest.setSystemTime(Date.parse('2026-01-08T02:00:00Z'));
  const report = await factory.sync(soak);
  expect(factory.overrides()['addonTag']).toBe(factory.copyOf('harness/ci-addon:1.18.22'));
  expect(skewed(report)).toEqual([
    expect.stringContaining('ci K8: addonTag at 1.18.22 and liteEngineTag at 1.18.23 run in the same pod'),
  ]);
});

it('does not compare an image of the user, nor images that Harness itself has at two versions', async () => {
  factory = await startFactory();
  Object.assign(factory.harness.state[factory.harness.accountId]?.ci.K8 ?? {}, { addonTag: 'other.example/mine:1' });
  expect(skewed(await factory.run('plan'))).toEqual([]);
  factory.harness.setDefault('ci', 'K8', 'liteEngineTag', 'harness/ci-lite-engine:1.18.23');
  publish('1.18.23');
  expect(skewed(await factory.run('plan'))).toEqual([]);
});
