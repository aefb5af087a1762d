import { afterEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { type Factory, startFactory } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

const reach = ({ warnings = [] }: Report) => warnings.filter((warning) => warning.includes(' uses the overrides of '));
const cloud = () =>
  `Harness Cloud uses the overrides of VM too: its container steps will pull from ${factory.target.host}/mirror. If Harness Cloud cannot reach it, take VM out of infrastructure_type`;
const cd = () =>
  `CD uses the overrides of addon and lite engine too: its containerized step groups will pull from ${factory.target.host}/mirror. Make sure that their clusters can: see "Where a switch reaches" in docs/connectors.md`;

describe('a switch that reaches further than its infrastructure type', () => {
  it.each(['saas-2026', 'saas-2023', 'self-managed'] as const)(
    'has one warning for each place: %s',
    async (profile) => {
      factory = await startFactory({ harness: { profile } });
      expect(reach(await factory.run('plan', { infrastructure_type: 'K8' }))).toEqual([cd()]);
      expect(reach(await factory.run('plan', { infrastructure_type: 'VM' }))).toEqual([cloud()]);
      expect(reach(await factory.run('plan', { infrastructure_type: 'K8,VM' }))).toEqual([cloud(), cd()]);
    },
  );

  it('has no warning once it is switched, also when a version changes', async () => {
    factory = await startFactory();
    const both = { infrastructure_type: ['K8', 'VM'] };
    expect(reach(await factory.sync(both))).toEqual([cloud(), cd()]);
    expect(reach(await factory.sync(both))).toEqual([]);
    const pair = ['harness/ci-addon:1.19.0', 'harness/ci-lite-engine:1.19.0'] as const;
    factory.publish([...pair]);
    factory.harness.setDefault('ci', 'K8', 'addonTag', pair[0]);
    factory.harness.setDefault('ci', 'K8', 'liteEngineTag', pair[1]);
    expect(reach(await factory.sync(both))).toEqual([]);
    expect(factory.overrides()).toMatchObject({ addonTag: factory.copyOf(pair[0]) });
    expect(reach(await factory.run('reset', both))).toEqual([]);
  });

  it('has no warning when nothing is switched, or neither of these fields', async () => {
    factory = await startFactory();
    expect(reach(await factory.run('plan', { modify_default: false }))).toEqual([]);
    expect(reach(await factory.run('plan', { exclude_fields: 'addonTag*,liteEngineTag*' }))).toEqual([]);
  });
});
