import { describe, expect, it } from '@jest/globals';
import { type Configuration, type Environment, parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { problemsFrom } from './problems-from.ts';

const configuration = parseConfiguration({
  HARNESS_API_KEY: 'sat.account.id.secret',
  REGISTRY_NAME: 'reg.example:5000/mirror',
});

const problemsOf = (input: unknown, of: Configuration = configuration) =>
  problemsFrom('InvalidInput', () => parseExecutionInput(input, of));

describe('impossible combinations', () => {
  it.each<[object, string]>([
    [{ action: 'restore' }, '$.restore_run'],
    [{ action: 'reset', restore_run: 'x' }, '$.restore_run'],
    [{ infrastructure_type: 'VM', modules: ['ci', 'idp'] }, '$.infrastructure_type'],
    [{ include_windows_rootless: true, platforms: ['linux/amd64'] }, '$.platforms'],
    [{ wait_for_scan: true }, '$.wait_for_scan'],
    [{ scan_fail_on: 'HIGH' }, '$.scan_fail_on'],
    [{ scan_allow: [] }, '$.scan_allow'],
    [{ wait_for_scan: false, scan_deadline_minutes: 5 }, '$.scan_deadline_minutes'],
    [{ action: 'reset', prune: true }, '$.prune'],
    [{ action: 'reset', manage_connector: true }, '$.manage_connector'],
    [{ action: 'restore', restore_run: 'x', manage_connector: true }, '$.manage_connector'],
    [{ registry: 'docker.io', source_registry: ['gar', 'dockerhub'] }, '$.source_registry'],
    [{ extra_images: ['ghcr.io/a/b:1', 'quay.io/a/b:1'] }, '$.extra_images'],
  ])('%j', (input, path) => {
    expect([...new Set(problemsOf(input).map((problem) => problem.path))]).toEqual([path]);
  });

  it.each([
    [{ infrastructure_type: ['VM', 'K8'], modules: ['iacm'] }],
    [{ include_windows_rootless: true, platforms: [] }],
    [{ include_windows_rootless: true, platforms: ['windows/amd64'] }],
    [{ wait_for_scan: true, scan_fail_on: 'HIGH' }],
    [{ registry: 'docker.io/mine' }],
    [{ extra_images: ['ghcr.io/a/b:1', 'quay.io/a/b:2', 'ghcr.io/a/b:1'] }],
  ])('%j is none of these', (input) => {
    expect(problemsOf(input).filter(({ path }) => path !== '$.wait_for_scan')).toEqual([]);
  });

  it('a registry must come from somewhere', () => {
    const without = parseConfiguration({ HARNESS_API_KEY: 'k' });
    expect(problemsOf({}, without).map(({ path }) => path)).toEqual(['$.registry']);
    expect(problemsOf({ registry: 'a.example' }, without)).toEqual([]);
    // A registry that is wrong is not also missing.
    expect(problemsOf({ registry: 'a' }, without)).toHaveLength(1);
  });
});

describe('an input beyond the permissions of the deployment', () => {
  const own = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
  const deployment = (environment: Environment = {}): Configuration => ({
    ...parseConfiguration({
      HARNESS_API_KEY: 'k',
      REGISTRY_NAME: `${own}/harness-ci`,
      ALLOW_PRUNE: 'false',
      ...environment,
    }),
    confined: true,
  });

  it('names ALLOW_PRUNE when it asks for prune', () => {
    expect(problemsOf({ prune: 'true' }, deployment())).toEqual([
      {
        path: '$.prune',
        found: 'true',
        allowed: expect.stringContaining('unless it is deployed with ALLOW_PRUNE=true'),
      },
    ]);
    expect(problemsOf({ prune: false }, deployment())).toEqual([]);
    expect(problemsOf({ prune: true }, deployment({ ALLOW_PRUNE: 'true' }))).toEqual([]);
  });

  it.each([
    ['no prefix', own],
    ['another prefix', `${own}/team`],
    ['a prefix that begins alike', `${own}/harness-ci-2`],
    ['another account', '999999999999.dkr.ecr.eu-west-1.amazonaws.com/harness-ci'],
    ['another region', '123456789012.dkr.ecr.us-east-1.amazonaws.com/harness-ci'],
    ['another host of that registry, without its prefix', '123456789012.dkr-ecr.eu-west-1.on.aws/team'],
  ])('names the registry that has permissions when its registry has %s', (_, registry) => {
    for (const action of ['sync', 'plan', 'verify'])
      expect(problemsOf({ action, registry }, deployment())).toEqual([
        {
          path: '$.registry',
          found: JSON.stringify(registry),
          allowed: expect.stringMatching(`^${own}/harness-ci, or a prefix below it: .*REGISTRY_NAME`),
        },
      ]);
    expect(problemsOf({ registry }, deployment({ REGISTRY_NAME: 'registry.example' }))).toMatchObject([
      { path: '$.registry' },
    ]);
    // They write to Harness alone.
    expect(problemsOf({ action: 'reset', registry }, deployment())).toEqual([]);
    expect(problemsOf({ action: 'restore', restore_run: 'x', registry }, deployment())).toEqual([]);
    // The identity of a local run has permissions of its own.
    const { confined: _confined, ...local } = deployment();
    expect(problemsOf({ registry }, local)).toEqual([]);
  });

  it.each([
    ['the same', `https://${own}/harness-ci/`],
    ['a prefix below', `${own}/harness-ci/canary`],
    ['another host of the same', '123456789012.dkr-ecr.eu-west-1.on.aws/harness-ci'],
    ['one that is not ECR', 'registry.example/team'],
  ])('has permissions for %s', (_, registry) => {
    expect(problemsOf({ registry }, deployment())).toEqual([]);
  });

  it('has permissions for the whole registry when the deployment names no prefix', () => {
    expect(problemsOf({ registry: `${own}/team` }, deployment({ REGISTRY_NAME: own }))).toEqual([]);
  });
});

describe('waiting for scans', () => {
  const ecr = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror';
  const base = { HARNESS_API_KEY: 'k', REGISTRY_NAME: 'registry.example' };
  const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:x';

  it('fails on CRITICAL and waits half an hour by default', () => {
    const scanOf = (input: object) => parseExecutionInput({ registry: ecr, ...input }, configuration).scan;
    expect(scanOf({ wait_for_scan: true })).toEqual({ failOn: 'CRITICAL', allow: [], deadlineMinutes: 30 });
    const allow = [{ id: 'CVE-2025-1', until: '2026-01-31', reason: 'not reachable', images: ['plugins/*'] }];
    const input = { wait_for_scan: true, scan_fail_on: 'LOW', scan_allow: allow, scan_deadline_minutes: 1_440 };
    expect(scanOf(input)).toEqual({ failOn: 'LOW', allow, deadlineMinutes: 1_440 });
  });

  it('refuses wait_for_scan at a registry that does not scan, unless a template does', () => {
    const problems = problemsOf({ wait_for_scan: true }, parseConfiguration(base));
    expect(problems).toMatchObject([
      { path: '$.wait_for_scan', allowed: expect.stringMatching(/registry\.example is not ECR.*GATHER_SCAN_TEMPLATE/) },
    ]);
    expect(problemsOf({ wait_for_scan: true }, parseConfiguration({ ...base, GATHER_SCAN_TEMPLATE: arn }))).toEqual([]);
  });

  it('built images have digests of their own: what goes by the official one is refused', () => {
    const builds = parseConfiguration({ ...base, BUILD_PUSH_TEMPLATE: arn });
    expect(problemsOf({ soak_days: 3, referrers: 'all' }, builds).map(({ path }) => path)).toEqual([
      '$.soak_days',
      '$.referrers',
    ]);
    expect(problemsOf({ soak_days: 0, referrers: 'off' }, builds)).toEqual([]);
  });
});
