import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FactoryError } from '../../functions/errors.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { inputKeys } from '../../functions/settings/input-schema.ts';
import type { RunSettings } from '../../functions/settings/run-settings.ts';
import { describeProblems } from '../../functions/settings/problems.ts';
import { problemsFrom } from './problems-from.ts';

const configuration = parseConfiguration({
  HARNESS_API_KEY: 'sat.account.id.secret',
  REGISTRY_NAME: 'reg.example:5000/mirror',
});
const digest = `sha256:${'0'.repeat(64)}`;
const long = `sha512:${'0'.repeat(128)}`;
const parse = (input: unknown): RunSettings => parseExecutionInput(input, configuration);

const problemsOf = (input: unknown) => problemsFrom('InvalidInput', () => parse(input));

const image = (repository: string, more = {}) => ({
  registry: undefined,
  repository,
  tag: undefined,
  digest: undefined,
  ...more,
});

describe('defaults', () => {
  it.each([[undefined], [null], [{}]])('fill %j in', (input) => {
    expect(parse(input)).toEqual({
      action: 'sync',
      registry: { registry: 'reg.example:5000', prefix: 'mirror' },
      formerRegistry: undefined,
      infrastructureTypes: ['K8'],
      includeWindowsRootless: false,
      modifyDefault: true,
      maxConcurrency: 5,
      modules: ['ci'],
      sources: [
        { registry: 'us-docker.pkg.dev', prefix: 'gar-prod-setup/harness-public' },
        { registry: 'public.ecr.aws', prefix: 'harness' },
        { registry: 'docker.io', prefix: '' },
      ],
      includeSets: [],
      includeFields: [],
      excludeFields: [],
      pins: {},
      extraImages: [],
      extraSets: [],
      platforms: [],
      onPartialFailure: 'abort',
      referrers: 'off',
      soakDays: 0,
      recheckDays: 7,
      resetScope: 'ours',
      overrideValues: 'absolute',
      manageConnector: false,
      prune: false,
      keepVersions: 3,
      allowUnmatched: false,
      protective: [],
      input: {},
    });
  });

  it('takes the defaults of the deployment, where it has some', () => {
    const deployment = parseConfiguration({
      HARNESS_API_KEY: 'k',
      REGISTRY_NAME: 'other.example',
      MODIFY_DEFAULT: 'false',
      MAX_CONCURRENCY: '7',
      SOURCE_REGISTRY: 'dockerhub, mirror.example/x',
    });
    expect(parseExecutionInput({}, deployment)).toMatchObject({
      registry: { registry: 'other.example', prefix: '' },
      modifyDefault: false,
      maxConcurrency: 7,
      sources: [
        { registry: 'docker.io', prefix: '' },
        { registry: 'mirror.example', prefix: 'x' },
      ],
    });
    expect(parseExecutionInput({ modify_default: true, max_concurrency: 1 }, deployment)).toMatchObject({
      modifyDefault: true,
      maxConcurrency: 1,
    });
  });
});

const good: [string, unknown, Partial<RunSettings>][] = [
  ['action', 'plan', { action: 'plan' }],
  ['registry', 'ACME.example/a/b', { registry: { registry: 'acme.example', prefix: 'a/b' } }],
  ['registry', 'localhost:5000', { registry: { registry: 'localhost:5000', prefix: '' } }],
  ['registry', '[::1]:5000/x', { registry: { registry: '[::1]:5000', prefix: 'x' } }],
  ['infrastructure_type', 'VM', { infrastructureTypes: ['VM'] }],
  ['infrastructure_type', ['K8', 'VM', 'K8'], { infrastructureTypes: ['K8', 'VM'] }],
  ['include_windows_rootless', true, { includeWindowsRootless: true }],
  ['modify_default', false, { modifyDefault: false }],
  ['max_concurrency', 40, { maxConcurrency: 40 }],
  ['modules', ['iacm', 'idp'], { modules: ['iacm', 'idp'] }],
  ['modules', 'idp', { modules: ['idp'] }],
  ['source_registry', 'dockerhub', { sources: [{ registry: 'docker.io', prefix: '' }] }],
  [
    'source_registry',
    ['ecr-public', 'nexus.example:8443/hub'],
    {
      sources: [
        { registry: 'public.ecr.aws', prefix: 'harness' },
        { registry: 'nexus.example:8443', prefix: 'hub' },
      ],
    },
  ],
  ['include_fields', ['addon*'], { includeFields: ['addon*'] }],
  ['extra_sets', ['delegate', 'cd-steps', 'delegate'], { extraSets: ['delegate', 'cd-steps'] }],
  [
    'extra_images',
    ['plugins/email:>=1 <3'],
    { extraImages: [image('plugins/email', { range: { text: '>=1 <3', accepts: expect.any(Function) } })] },
  ],
  ['include_sets', 'sto', { includeSets: ['sto'], includeFields: ['securityTag'] }],
  ['exclude_fields', ['plugins/*', 'iacm*'], { excludeFields: ['plugins/*', 'iacm*'] }],
  [
    'pins',
    { 'harness/ci-addon': '1.17.0', 'plugins/cache': digest },
    { pins: { 'harness/ci-addon': '1.17.0', 'plugins/cache': digest } },
  ],
  ['pins', { 'plugins/cache': long }, { pins: { 'plugins/cache': long } }],
  [
    'extra_images',
    ['harness/delegate', `ghcr.io/a/b:1@${digest}`],
    { extraImages: [image('harness/delegate'), image('a/b', { registry: 'ghcr.io', tag: '1', digest })] },
  ],
  [
    'platforms',
    ['linux/amd64', 'linux/arm/v7'],
    {
      platforms: [
        { os: 'linux', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm', variant: 'v7' },
      ],
    },
  ],
  ['platforms', [], { platforms: [] }],
  ['wait_for_scan', false, { scan: undefined }],
  ['on_partial_failure', 'update-succeeded', { onPartialFailure: 'update-succeeded' }],
  ['referrers', 'all', { referrers: 'all' }],
  ['soak_days', 90, { soakDays: 90 }],
  ['recheck_days', 0, { recheckDays: 0 }],
  ['recheck_days', 90, { recheckDays: 90 }],
  ['reset_scope', 'all', { resetScope: 'all' }],
  ['override_values', 'relative', { overrideValues: 'relative' }],
  ['manage_connector', true, { manageConnector: true }],
  ['prune', true, { prune: true }],
  ['keep_versions', 50, { keepVersions: 50 }],
  ['allow_unmatched', true, { allowUnmatched: true }],
  ['started_by', 'arn:aws:iam::123456789012:role/ci', { startedBy: 'arn:aws:iam::123456789012:role/ci' }],
  [
    'pins',
    {
      'docker.io/harness/ci-addon': '1',
      'us-docker.pkg.dev/gar-prod-setup/harness-public/harness/ci-lite-engine': '2',
      'public.ecr.aws/harness/plugins/cache': '3',
      'localhost/harnesssecure/drone-git': '4',
      'reg.example:5000/mirror/plugins/docker': '5',
      'https://registry.corp.example:8443/harness/sto-plugin': '6',
      'index.docker.io/harness/ci-addon': '1',
      'harnesssecure/kaniko': '7',
    },
    {
      pins: {
        'harness/ci-addon': '1',
        'harness/ci-lite-engine': '2',
        'plugins/cache': '3',
        'harness/drone-git': '4',
        'plugins/docker': '5',
        'harness/sto-plugin': '6',
        'plugins/kaniko': '7',
      },
    },
  ],
  [
    'exclude_fields',
    ['docker.io/plugins/*', 'harnesssecure/ci-*', 'cache*', '**/{a,b}'],
    { excludeFields: ['plugins/*', 'harnesssecure/ci-*', 'cache*', '**/{a,b}'] },
  ],
  ['include_fields', ['public.ecr.aws/harness/plugins/*'], { includeFields: ['plugins/*'] }],
];

const bad: [string, unknown, string?][] = [
  ['action', 'Synch'],
  ['action', null],
  ['registry', 7],
  ['registry', 'http://reg.example'],
  ['registry', 'fairwinds'],
  ['registry', 'reg.example/../x'],
  ['registry', 'reg.example/a b'],
  ['registry', 'reg.example/a\u0000'],
  ['registry', 'reg.example/a\nb'],
  ['registry', 'reg.example/Upper'],
  ['registry', 'reg.example:99999'],
  ['registry', 'reg.example/a@sha256:x'],
  ['registry', `reg.example/${'a'.repeat(256)}`],
  ['infrastructure_type', 'k9'],
  ['infrastructure_type', []],
  ['infrastructure_type', ['K8', 'DLITE_VM'], '$.infrastructure_type[1]'],
  ['include_windows_rootless', 'on'],
  ['modify_default', 1],
  ['max_concurrency', 0],
  ['max_concurrency', 41],
  ['max_concurrency', 2.5],
  ['max_concurrency', '41'],
  ['max_concurrency', '5.0'],
  ['max_concurrency', '0x5'],
  ['max_concurrency', Number.NaN],
  ['modules', ['cd'], '$.modules[0]'],
  ['modules', []],
  ['source_registry', 'user:secret@reg.example'],
  ['source_registry', ['gar', 'a/../b'], '$.source_registry[1]'],
  ['extra_sets', ['scanners'], '$.extra_sets[0]'],
  ['extra_images', ['plugins/email:^1-rootless'], '$.extra_images[0]'],
  ['extra_images', ['plugins/email:^1', 'x.example/plugins/email:^1'], '$.extra_images'],
  ['include_sets', []],
  ['include_sets', ['core', 'sto*'], '$.include_sets[1]'],
  ['include_fields', { addonTag: true }],
  ['include_fields', [' '], '$.include_fields[0]'],
  ['include_fields', ['!addonTag'], '$.include_fields[0]'],
  ['exclude_fields', [7], '$.exclude_fields[0]'],
  ['pins', []],
  ['pins', { 'harness/ci-addon': 'sha256:abc' }, '$.pins["harness/ci-addon"]'],
  ['pins', { 'harness/ci-addon': `${digest}0` }, '$.pins["harness/ci-addon"]'],
  ['pins', { 'harness/ci-addon': `sha512:${'0'.repeat(64)}` }, '$.pins["harness/ci-addon"]'],
  ['pins', { 'harness/ci-addon': '../1' }, '$.pins["harness/ci-addon"]'],
  ['pins', { 'harness/ci-addon:1': '1' }, '$.pins["harness/ci-addon:1"]'],
  ['allow_unmatched', 'yes'],
  ['started_by', 'a\nb'],
  ['started_by', 'x'.repeat(1_001)],
  ['started_by', 7],
  ['pins', { 'harness/ci-addon': '1', 'docker.io/harness/ci-addon': '2' }, '$.pins["docker.io/harness/ci-addon"]'],
  ['pins', { '../x': '1' }, '$.pins["../x"]'],
  ['extra_images', ['harness/delegate:bad tag'], '$.extra_images[0]'],
  ['extra_images', ['a/../b:1'], '$.extra_images[0]'],
  ['extra_images', ['harness/delegate@sha256:short'], '$.extra_images[0]'],
  ['extra_images', [{}], '$.extra_images[0]'],
  ['bundle', 's3://bucket'],
  ['images', ['harness/delegate:bad tag'], '$.images[0]'],
  ['platforms', ['linux'], '$.platforms[0]'],
  ['platforms', ['linux/amd64/v8/x'], '$.platforms[0]'],
  ['platforms', 'linux'],
  ['platforms', { os: 'linux' }],
  ['wait_for_scan', 'yes'],
  ['scan_fail_on', 'severe'],
  ['scan_allow', { id: 'CVE-1', until: '2026-01-31' }],
  ['scan_allow', [{ id: 'CVE-1' }], '$.scan_allow[0].until'],
  ['scan_allow', [{ id: 'CVE-1', until: '2026-02-30' }], '$.scan_allow[0].until'],
  ['scan_allow', [{ id: '', until: '2026-01-31' }], '$.scan_allow[0].id'],
  ['scan_allow', [{ id: 'CVE-1', until: '2026-01-31', images: ['!a'] }], '$.scan_allow[0].images[0]'],
  ['scan_allow', [{ id: 'CVE-1', until: '2026-01-31', forever: true }], '$.scan_allow[0].forever'],
  ['scan_deadline_minutes', 0],
  ['scan_deadline_minutes', 1_441],
  ['on_partial_failure', 'ignore'],
  ['referrers', true],
  ['soak_days', 91],
  ['soak_days', -1],
  ['recheck_days', 91],
  ['recheck_days', -1],
  ['recheck_days', 0.5],
  ['reset_scope', 'theirs'],
  ['override_values', 'short'],
  ['manage_connector', 'always'],
  ['prune', 'all'],
  ['keep_versions', 0],
  ['keep_versions', 51],
  ['restore_run', '../../etc'],
  ['restore_run', 'x'.repeat(81)],
];

describe('every key', () => {
  it.each(good)('%s takes %j', (key, value, settings) => {
    expect(parse({ [key]: value })).toMatchObject(settings);
  });

  it.each(bad)('%s refuses %j, with its path, what was found and what is allowed', (key, value, path = `$.${key}`) => {
    const problems = problemsOf({ [key]: value });
    expect(problems.map((problem) => problem.path)).toContain(path);
    for (const problem of problems) {
      expect(problem.found).not.toBe('');
      expect(problem.allowed.length).toBeGreaterThan(3);
      // oxlint-disable-next-line no-control-regex -- what must not be there
      expect(problem.found).not.toMatch(/[\u0000-\u001f]/);
    }
  });

  it('tests a valid and an invalid example of every key', () => {
    // Those that need another key beside them.
    const only = {
      bundle: 'good',
      images: 'good',
      restore_run: 'good',
      scan_fail_on: 'good',
      scan_allow: 'good',
      scan_deadline_minutes: 'good',
    };
    for (const key of inputKeys()) {
      if (!Object.hasOwn(only, key)) expect([key, good.some(([name]) => name === key)]).toEqual([key, true]);
      expect([key, bad.some(([name]) => name === key)]).toEqual([key, true]);
    }
    expect(parse({ action: 'restore', restore_run: '20260101T000000Z-abc123' })).toMatchObject({
      restoreRun: '20260101T000000Z-abc123',
    });
  });

  it.each([
    ['max_build_concurrency', 'here it is "max_concurrency"'],
    ['modify_default_image_config', 'here it is "modify_default"'],
    ['container_registry', 'here it is "registry"'],
    ['harness_platform_url', 'here it is the variable HARNESS_URL'],
    ['enable_schedule', 'here it is the variable SCHEDULE'],
    ['ORG_ID', 'here it is the variable ORG_ID'],
    ['project_id', 'here it is the variable PROJECT_ID'],
    ['registryName', 'here it is "registry"'],
    ['MODIFY_DEFAULT', 'did you mean "modify_default"?'],
    ['GATHER_SCAN_TEMPLATE', 'here it is the variable GATHER_SCAN_TEMPLATE'],
    ['container_registry_type', 'leave it out: images are copied here, not built on a cluster'],
    ['kubernetes_namespace', 'leave it out: images are copied here, not built on a cluster'],
    ['excludeFields', 'did you mean "exclude_fields"?'],
  ])('names what an unknown key stands for: %s', (key, reason) => {
    expect(problemsOf({ [key]: 'x' })).toEqual([expect.objectContaining({ path: `$.${key}`, reason })]);
  });

  it('refuses an unknown key, also one that names a property of every object', () => {
    expect(problemsOf({ Registry: 'x' })).toEqual([
      {
        path: '$.Registry',
        found: 'an unknown key',
        allowed: 'a key of docs/reference.md',
        reason: 'did you mean "registry"?',
      },
    ]);
    expect(problemsOf(JSON.parse('{"constructor": 1}'))).toEqual([
      {
        path: '$.constructor',
        found: 'an unknown key',
        allowed: expect.stringContaining('registry, infrastructure_type'),
      },
    ]);
  });
});

describe('the reason of the parser', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['registry', 'registry.example.com/Mirror', '$.registry', /"Mirror" is not a path component \(lower-case/],
    ['registry', 'http://registry.example.com', '$.registry', /it is a URL/],
    ['registry', 'fairwinds', '$.registry', /neither a dot nor a port/],
    ['source_registry', 'GAR', '$.source_registry', /did you mean "gar"/],
    ['source_registry', 'G-A-R', '$.source_registry', /did you mean "gar"/],
    ['source_registry', ['gar', 'DockerHubs'], '$.source_registry[1]', /did you mean "dockerhub"/],
    ['source_registry', 'ecr', '$.source_registry', /did you mean "ecr-public"/],
    ['source_registry', 'quay', '$.source_registry', /neither a dot nor a port/],
    ['registry', 'registry.example.com:99999', '$.registry', /port 99999 is not between 1 and 65535/],
    ['source_registry', ['gar', 'registry.example.com/a//b'], '$.source_registry[1]', /"" is not a path component/],
    ['include_sets', ['core', 'build_push'], '$.include_sets[1]', /did you mean "build-push"/],
    ['extra_images', ['harness/ci-addon:1.18.22 '], '$.extra_images[0]', /a space/],
    ['infrastructure_type', 'ecs', '$.infrastructure_type', /default images are those of K8, and no public source/],
    ['infrastructure_type', ['K8', 'DLITE_VM'], '$.infrastructure_type[1]', /Harness Cloud has no configuration/],
    ['modules', 'sto', '$.modules', /extra_sets "sto-scanners" copies its scanners/],
    ['modules', ['ci', 'ssca'], '$.modules[1]', /those of include_sets "supply-chain"/],
    ['extra_images', ['harness/ci-addon@sha256:4f53'], '$.extra_images[0]', /"sha256:4f53" is not a digest/],
    ['pins', { 'harness/ci-addon': 'sha256:4f53' }, '$.pins["harness/ci-addon"]', /"sha256:4f53" is not a digest/],
    ['pins', { 'harness/ci-addon': '-1' }, '$.pins["harness/ci-addon"]', /"-1" is not a tag/],
    ['pins', { 'harness/CI': '1' }, '$.pins["harness/CI"]', /"CI" is not a path component/],
    ['pins', { 'harness/ci:1': '1' }, '$.pins["harness/ci:1"]', /it has a tag or a digest/],
    ['platforms', ['amd64'], '$.platforms[0]', /it has 1 part, not 2 or 3/],
    ['platforms', ['linux/AMD64'], '$.platforms[0]', /"AMD64" is not lower-case/],
  ])("adds the parser's reason to the problem of %s %j", (key, value, path, reason) => {
    expect(problemsOf({ [key]: value })).toMatchObject([{ path, reason: expect.stringMatching(reason) }]);
  });

  it('holds no credentials, and is absent where there is none', () => {
    const [secret] = problemsOf({ extra_images: ['harness/ci-addon@user:hunter2222@x'] });
    expect(JSON.stringify(secret)).not.toContain('hunter2222');
    expect(problemsOf({ max_concurrency: 0 })[0]).not.toHaveProperty('reason');
  });

  it('prints the reason between the value found and the values allowed', () => {
    const [line] = describeProblems(problemsOf({ platforms: ['amd64'] }));
    expect(line).toContain('found "amd64" (it has 1 part, not 2 or 3); allowed: os/architecture[/variant]');
  });

  it('prints that a key is not set, and what is expected', () => {
    const [line] = describeProblems(problemsOf({ action: 'restore' }));
    expect(line).toMatch(/^ {2}\$\.restore_run: not set; expected the id of the run whose snapshot is put back/);
  });
});

describe('an input that is no object', () => {
  it.each([[[]], ['sync'], [7], [true]])('%j is refused', (input) => {
    expect(problemsOf(input)).toEqual([{ path: '$', found: JSON.stringify(input), allowed: 'a JSON object' }]);
  });
});

describe('problems', () => {
  it('lists all problems at once, contradictions included', () => {
    const problems = problemsOf({
      nonsense: 1,
      max_concurrency: 0,
      pins: { 'harness/ci-addon': 'sha256:1', 'plugins/cache': '' },
      infrastructure_type: 'VM',
      modules: ['iacm'],
      restore_run: 'x',
      wait_for_scan: true,
    });
    expect(problems.map(({ path }) => path).toSorted()).toEqual([
      '$.infrastructure_type',
      '$.max_concurrency',
      '$.nonsense',
      '$.pins["harness/ci-addon"]',
      '$.pins["plugins/cache"]',
      '$.restore_run',
      '$.wait_for_scan',
    ]);
  });

  it.each([
    [{ registry: 'user:hunter22@reg.example' }],
    [{ registry: 'https://user:hun/ter22@reg.example/x' }],
    [{ registry: 'user:hunter22@@reg.example' }],
    [{ source_registry: ['hunter22@reg.example'] }],
    [{ extra_images: ['user:hunter22@reg.example/x:1'] }],
    [{ pins: { 'user:hunter22@reg.example/x': '1' } }],
    [{ 'https://user:hunter22@reg.example': 1 }],
    [{ registry: 'sat.account.id.hunter22/..' }],
  ])('hides the credentials in a problem of %j', (input) => {
    const problems = problemsOf(input);
    expect(problems.length).toBeGreaterThan(0);
    expect(JSON.stringify(problems)).not.toContain('ter22');
  });

  it('show a digest as it is, and long values cut', () => {
    expect(problemsOf({ extra_images: ['a/b@sha256:12'] })[0]?.found).toBe('"a/b@sha256:12"');
    expect(problemsOf({ action: 'x'.repeat(500) })[0]?.found.length).toBeLessThan(100);
  });

  it('counts the problems in the message', () => {
    expect(() => parse({ prune: 1 })).toThrow('the execution input has 1 problem');
    expect(() => parse({ prune: 1, action: 1 })).toThrow('the execution input has 2 problems');
  });
});

describe('any JSON', () => {
  it('accepts any JSON, or refuses it as InvalidInput with problems', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        try {
          expect(parse(input).action).toBe('sync');
        } catch (error) {
          expect(error).toMatchObject({ name: 'InvalidInput' });
          expect((error as FactoryError).problems?.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('accepts or refuses any JSON under known keys', () => {
    const keyed = fc.dictionary(fc.constantFrom(...inputKeys()), fc.jsonValue(), { minKeys: 1 });
    fc.assert(
      fc.property(keyed, (input) => {
        try {
          parse(input);
        } catch (error) {
          expect(error).toMatchObject({ name: 'InvalidInput' });
        }
      }),
      { numRuns: 300 },
    );
  });
});
