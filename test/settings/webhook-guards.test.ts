import { describe, expect, it } from '@jest/globals';
import { type GuardedKey, guardedKeys, parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { beyondTrust } from '../../functions/settings/webhook-guards.ts';

const digest = `sha256:${'a'.repeat(64)}`;

/** The paths of what is refused. */
function refused(
  input: Record<string, unknown>,
  registry = 'registry.example/mirror',
  webhookAllow: GuardedKey[] = [],
) {
  const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: 'key', REGISTRY_NAME: registry });
  const settings = parseExecutionInput(input, configuration);
  return beyondTrust(settings, { ...configuration, webhookAllow });
}

describe('a key that a webhook may not set as it likes', () => {
  const harmful: [GuardedKey, unknown, string][] = [
    ['registry', 'evil.example/mirror', 'the registry of the deployment, or a prefix below it'],
    ['source_registry', 'evil.example', 'nothing'],
    ['source_registry', 'dockerhub', 'nothing'],
    ['source_registry', 'registry.example', 'nothing'],
    ['source_registry', 'https://registry.example/mirror/', 'nothing'],
    ['extra_images', ['plugins/cache:1', 'evil.example/x:1'], 'images without a registry'],
    ['pins', { 'harness/ci-addon': '1', 'plugins/cache': digest }, 'tags'],
    ['platforms', ['linux/s390x'], 'nothing'],
    ['override_values', 'relative', 'absolute'],
    ['reset_scope', 'all', 'ours'],
    ['manage_connector', true, 'false'],
    ['prune', true, 'false'],
  ];

  it.each(harmful)('refuses a value beyond what the deployment trusts: %s %j', (key, value, allowed) => {
    expect(refused({ [key]: value })).toEqual([
      {
        path: `$.${key}`,
        found: expect.any(String),
        allowed: `${allowed} from a webhook; WEBHOOK_ALLOW of the deployment can open ${key}`,
      },
    ]);
  });

  it.each(harmful)('accepts a value where WEBHOOK_ALLOW lists its key, and only then: %s %j', (key, value) => {
    expect(refused({ [key]: value }, undefined, [key])).toEqual([]);
    const others = guardedKeys.filter((other) => other !== key);
    expect(refused({ [key]: value }, undefined, others)).toHaveLength(1);
  });

  it.each<[GuardedKey, string]>([
    ['registry', 'evil.example/mirror'],
    ['registry', ' HTTPS://evil.example/mirror/ '],
    ['source_registry', 'dockerhub'],
    ['source_registry', '["evil.example"]'],
    ['source_registry', 'gar,evil.example'],
    ['extra_images', 'evil.example/x:1'],
    ['extra_images', 'plugins/cache:1,evil.example/x:1'],
    ['extra_images', '["plugins/cache:1","evil.example/x:1"]'],
    ['pins', `{"plugins/cache": "${digest}"}`],
    ['platforms', 'linux/s390x'],
    ['platforms', ' ["linux/s390x"]'],
    ['reset_scope', 'ALL'],
    ['override_values', ' Relative'],
    ['manage_connector', 'true'],
    ['prune', 'true'],
    ['prune', ' TRUE\n'],
  ])('judges a text by the value that it stands for: %s %j', (key, value) => {
    expect(refused({ [key]: value }).map(({ path }) => path)).toEqual([`$.${key}`]);
    expect(refused({ [key]: value }, undefined, [key])).toEqual([]);
  });

  it.each([
    { prune: 'False', reset_scope: 'OURS', platforms: '', source_registry: ' ', registry: '', pins: '{}' },
    { registry: 'https://registry.example/mirror/team/', extra_images: 'plugins/cache:1, harness/delegate:1' },
  ])("accepts texts that stand for values within the deployment's trust: %j", (input) => {
    expect(refused(input)).toEqual([]);
  });

  it.each(['PRUNE', 'Prune', ' prune', '__proto__'])('refuses the input with another spelling of a key: %j', (key) => {
    expect(() => refused(JSON.parse(`{${JSON.stringify(key)}: "true"}`) as Record<string, unknown>)).toThrow(
      'the execution input has 1 problem',
    );
  });

  it.each([
    { extra_images: ['plugins/cache:1'] },
    { pins: { 'harness/ci-addon': '1' } },
    { platforms: [] },
    { reset_scope: 'ours' },
    { prune: false },
    { override_values: 'absolute' },
    {},
  ])("accepts a guarded key within the deployment's trust: %j", (input) => {
    expect(refused(input)).toEqual([]);
  });

  it.each([
    ['registry.example/mirror', 'registry.example/mirror', true],
    ['registry.example/mirror', 'registry.example/mirror/team', true],
    ['registry.example/mirror', 'registry.example', false],
    ['registry.example/mirror', 'registry.example/mirrored', false],
    ['registry.example/mirror', 'registry.example/other', false],
    ['registry.example/mirror', 'registry.example:8443/mirror', false],
    ['registry.example/mirror', 'evil.example/mirror', false],
    ['registry.example', 'registry.example', true],
    ['registry.example', 'registry.example/team', true],
    ['registry.example', 'evil.example', false],
  ])('accepts, with the deployment at %s, the registry %s: %s', (own, registry, taken) => {
    expect(refused({ registry }, own).length === 0).toBe(taken);
  });

  it('refuses every registry where the deployment has none of its own', () => {
    const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: 'key' });
    const input = { registry: 'registry.example/mirror' };
    const settings = parseExecutionInput(input, configuration);
    expect(beyondTrust(settings, configuration)).toHaveLength(1);
  });
});

describe('actions that carry images between networks', () => {
  const input = {
    export: { action: 'export', bundle: 's3://bucket/key' },
    import: { action: 'import', bundle: 's3://bucket/key' },
  };

  it.each(['export', 'import'] as const)('refuses %s, unless WEBHOOK_ALLOW grants it by its name', (action) => {
    const others = guardedKeys.filter((key) => key !== action);
    for (const allowed of [[], others])
      expect(refused(input[action], undefined, allowed)).toEqual([
        {
          path: '$.action',
          found: `"${action}"`,
          allowed: `another action from a webhook; WEBHOOK_ALLOW of the deployment can open ${action}`,
        },
        expect.objectContaining({ path: '$.bundle' }),
      ]);
    expect(refused(input[action], undefined, [action])).toEqual([]);
  });

  it.each(['plan', 'verify'])('lets only those look at a bundle with %s who may import one', (action) => {
    const look = { action, bundle: 's3://bucket/key' };
    expect(refused(look, undefined, ['export']).map(({ path }) => path)).toEqual(['$.bundle']);
    expect(refused(look, undefined, ['import'])).toEqual([]);
  });

  it('exports images of other registries only where WEBHOOK_ALLOW lists images', () => {
    const foreign = { ...input.export, images: ['evil.example/x:1'] };
    expect(refused(foreign, undefined, ['export']).map(({ path }) => path)).toEqual(['$.images']);
    expect(refused(foreign, undefined, ['export', 'images'])).toEqual([]);
    expect(refused({ ...input.export, images: ['plugins/cache:1'] }, undefined, ['export'])).toEqual([]);
  });
});

describe('other keys', () => {
  it('accepts keys that choose among trusted options', () => {
    const input = { action: 'sync', modules: ['ci'], modify_default: false, soak_days: 3, referrers: 'off' };
    expect(refused(input)).toEqual([]);
    expect(refused(undefined as never)).toEqual([]);
  });

  it('refuses keys without a rule, and WEBHOOK_ALLOW opens none of them', () => {
    const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: 'key', REGISTRY_NAME: 'registry.example' });
    const settings = parseExecutionInput({}, configuration);
    for (const key of ['a_later_key', 'constructor', 'toString'])
      expect(beyondTrust({ ...settings, input: { [key]: 1 } }, configuration)).toEqual([
        { path: `$.${key}`, found: '1', allowed: 'nothing from a webhook' },
      ]);
  });
});
