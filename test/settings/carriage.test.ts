import { describe, expect, it } from '@jest/globals';
import {
  type Configuration,
  deployedConfiguration,
  type Environment,
  parseConfiguration,
} from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { problemsFrom } from './problems-from.ts';

const withKey = { HARNESS_API_KEY: 'sat.account.id.secret', REGISTRY_NAME: 'reg.example/mirror' };

function parse(input: object, environment: Environment = withKey, more: Partial<Configuration> = {}) {
  return parseExecutionInput(input, { ...parseConfiguration(environment, { harness: false }), ...more });
}

function refused(input: object, environment?: Environment, more?: Partial<Configuration>) {
  const problems = problemsFrom('InvalidInput', () => parse(input, environment, more));
  return Object.fromEntries(problems.map(({ path, allowed }) => [path, allowed]));
}

describe('an export', () => {
  it('takes the images of Harness, or a list of names and of entries with the fields that need them', () => {
    const role = { module: 'ci', infrastructureType: 'K8', field: 'addonTag' };
    const images = ['plugins/cache:^1', { image: 'harness/ci-addon:1.18.27', roles: [role] }];
    expect(parse({ action: 'export', bundle: 'a.tar' })).toMatchObject({ bundle: 'a.tar', images: undefined });
    expect(parse({ action: 'export', bundle: 'a.tar', images }, {})).toMatchObject({
      images: [
        { image: { repository: 'plugins/cache', range: { text: '^1' } }, roles: [] },
        { image: { repository: 'harness/ci-addon', tag: '1.18.27' }, roles: [role] },
      ],
    });
    expect(parse({ action: 'export', bundle: '-', images: 'a/b:1, a/c:2' }, {}).images).toHaveLength(2);
  });

  it('needs no registry, and may read from the registry of the copies', () => {
    const input = { action: 'export', bundle: 'out', source_registry: 'reg.example/mirror' };
    expect(parse(input)).toMatchObject({ sources: [{ registry: 'reg.example', prefix: 'mirror' }] });
    expect(refused({ ...input, registry: 'reg.example' })).toEqual({
      '$.registry': expect.stringMatching(/^nothing: an export writes to the bundle/),
    });
  });

  it('needs a bundle, and a list or a key of Harness', () => {
    expect(refused({ action: 'export' }, {})).toEqual({
      '$.bundle': 'a path, or s3://BUCKET/KEY: where the bundle is written',
      '$.images': 'a list of images, or set HARNESS_API_KEY: an export learns them from there',
    });
  });

  it.each([
    ['wait_for_scan', true],
    ['soak_days', 3],
    ['manage_connector', true],
    ['prune', true],
  ])('refuses %s, which would do nothing', (key, value) => {
    const environment = { ...withKey, GATHER_SCAN_TEMPLATE: 'arn:aws:lambda:eu-west-1:123456789012:function:f' };
    expect(Object.keys(refused({ action: 'export', bundle: 'a', [key]: value }, environment))).toEqual([`$.${key}`]);
  });

  it('refuses to choose fields of Harness beside a list', () => {
    const input = { action: 'export', bundle: 'a', images: 'a/b:1', include_fields: ['addonTag'], modules: ['ci'] };
    expect(Object.keys(refused(input))).toEqual(['$.modules', '$.include_fields']);
  });

  it.each([
    ['harness/CI:1', 'not a path component'],
    [{ image: 'a/b', roles: [{ module: 'cd', infrastructureType: 'K8', field: 'f' }] }, ''],
    [{ name: 'a/b' }, ''],
    [5, ''],
  ])('refuses the entry %j with its place', (entry, reason) => {
    const [problem] = problemsFrom('InvalidInput', () => parse({ action: 'export', bundle: 'a', images: [entry] }));
    expect(problem).toMatchObject({ path: '$.images[0]', reason: expect.stringContaining(reason) });
  });
});

describe('an import', () => {
  it('does without a key of Harness', () => {
    expect(parse({ action: 'import', bundle: 'a.tar' }, { REGISTRY_NAME: 'reg.example' })).toMatchObject({
      action: 'import',
      registry: { registry: 'reg.example' },
    });
    const input = { action: 'import', bundle: 'a.tar', prune: true, manage_connector: true };
    expect(Object.keys(refused(input, { REGISTRY_NAME: 'reg.example' }))).toEqual(['$.prune', '$.manage_connector']);
    expect(parse(input)).toMatchObject({ prune: true, manageConnector: true });
  });

  it('needs a registry and a bundle', () => {
    expect(Object.keys(refused({ action: 'import' }, {}))).toEqual(['$.registry', '$.bundle']);
  });

  it.each([
    ['source_registry', 'dockerhub'],
    ['extra_images', ['a/b:1']],
    ['extra_sets', ['delegate']],
    ['platforms', ['linux/amd64']],
    ['referrers', 'all'],
    ['soak_days', 2],
    ['images', ['a/b:1']],
  ])('refuses %s: the bundle was made before', (key, value) => {
    expect(Object.keys(refused({ action: 'import', bundle: 'a', [key]: value }))).toEqual([`$.${key}`]);
  });

  it('refuses to build what it must copy', () => {
    const environment = { ...withKey, BUILD_PUSH_TEMPLATE: 'arn:aws:lambda:eu-west-1:123456789012:function:f' };
    expect(refused({ action: 'import', bundle: 'a' }, environment)).toEqual({
      '$.action': expect.stringContaining('BUILD_PUSH_TEMPLATE'),
    });
  });
});

describe('the address of a bundle', () => {
  it.each(['a.tar', '/media/usb/a b.tar', 's3://bucket-1/a/b.tar', 'C:\\bundles\\a.tar'])('accepts %s', (bundle) => {
    expect(parse({ action: 'import', bundle })).toMatchObject({ bundle });
  });

  it.each(['s3://', 's3://bucket', 's3://bucket/', 's3://Bucket/a', 'https://x.example/a', 'a\nb', 'a'.repeat(5_000)])(
    'refuses %j',
    (bundle) => {
      expect(Object.keys(refused({ action: 'import', bundle }))).toEqual(['$.bundle']);
    },
  );

  it('may be standard output for an export only, and nothing for a plan only', () => {
    expect(Object.keys(refused({ action: 'import', bundle: '-' }))).toEqual(['$.bundle']);
    expect(Object.keys(refused({ action: 'export', bundle: 'none' }))).toEqual(['$.bundle']);
    expect(parse({ action: 'plan', bundle: 'none' }, { HARNESS_API_KEY: 'sat.a.b.c' })).toMatchObject({
      bundle: 'none',
    });
  });

  it.each(['/tmp/a.tar', '-', 's3://other/a.tar', 's3://bundles-2/a.tar'])(
    'must be an object in the bucket of the deployment on AWS, not %s',
    (bundle) => {
      const onAws = { confined: true, bundleBucket: 'bundles' } as const;
      expect(parse({ action: 'export', bundle: 's3://bundles/a.tar' }, withKey, onAws)).toBeDefined();
      expect(refused({ action: 'export', bundle }, withKey, onAws)).toEqual({
        '$.bundle': 's3://bundles/KEY: the bucket of BUNDLE_BUCKET',
      });
    },
  );

  it('has no place in a deployment without a bucket for bundles, but for a plan without one', () => {
    const onAws = deployedConfiguration(withKey);
    expect(refused({ action: 'import', bundle: 's3://bundles/a.tar' }, withKey, onAws)).toEqual({
      '$.bundle': 'nothing: this deployment has no BUNDLE_BUCKET',
    });
    expect(parse({ action: 'plan', bundle: 'none' }, withKey, onAws)).toBeDefined();
    const deployed = deployedConfiguration({ ...withKey, BUNDLE_BUCKET: 'bundles' });
    expect(parse({ action: 'import', bundle: 's3://bundles/a.tar' }, withKey, deployed)).toBeDefined();
  });

  it.each(['sync', 'reset'])('has no place in %s', (action) => {
    expect(Object.keys(refused({ action, bundle: 'a' }))).toEqual(['$.bundle']);
  });
});
