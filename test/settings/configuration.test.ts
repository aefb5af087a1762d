import { describe, expect, it } from '@jest/globals';
import { type Configuration, type Environment, parseConfiguration } from '../../functions/settings/configuration.ts';
import { problemsFrom } from './problems-from.ts';

const key = { HARNESS_API_KEY: 'sat.account.id.hunter2222' };

const problemsOf = (environment: Environment) =>
  problemsFrom('InvalidConfiguration', () => parseConfiguration({ ...key, ...environment }));

describe('defaults', () => {
  it('need nothing but a key', () => {
    expect(parseConfiguration(key)).toEqual({
      harnessUrl: 'https://app.harness.io',
      harnessAccountId: undefined,
      harnessApiKey: key.HARNESS_API_KEY,
      harnessApiKeySecret: undefined,
      registryCredentialsSecret: undefined,
      orgId: undefined,
      projectId: undefined,
      connector: undefined,
      registry: undefined,
      formerRegistry: undefined,
      sources: ['gar', 'ecr-public', 'dockerhub'],
      modifyDefault: true,
      maxConcurrency: 5,
      allowPrune: undefined,
      autoSwitch: 'afterFirstSync',
      insecureRegistries: [],
      trustedTokenHosts: [],
      trustedPrivateHosts: [],
      registryCerts: undefined,
      gatherScanTemplate: undefined,
      buildPushTemplate: undefined,
      ecrRoleArn: undefined,
      ecrCreateRepositories: true,
      ecrTagMutability: 'MUTABLE',
      ecrTagMutabilityExclude: [],
      ecrKmsKey: undefined,
      ecrKeepVersions: undefined,
      ecrTags: {},
      callbackUrlSecret: undefined,
      webhookTokenSecret: undefined,
      webhookAllow: [],
    });
  });

  it('stand where a variable is empty or blank, as shells unset them', () => {
    const blank = Object.fromEntries(good.map(([name]) => [name, ' ']));
    expect(parseConfiguration({ ...blank, ...key })).toEqual(parseConfiguration(key));
  });
});

const stateMachine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:scan';
const lambda = 'arn:aws:lambda:eu-west-1:123456789012:function:scan';

const good: [string, string, Partial<Configuration>][] = [
  ['HARNESS_URL', 'https://acme.harness.io/gateway/', { harnessUrl: 'https://acme.harness.io/gateway/' }],
  ['HARNESS_URL', 'http://127.0.0.1:8080', { harnessUrl: 'http://127.0.0.1:8080' }],
  ['HARNESS_ACCOUNT_ID', 'kmpySmUISimoRrJL6NL73w', { harnessAccountId: 'kmpySmUISimoRrJL6NL73w' }],
  [
    'HARNESS_API_KEY_SECRET',
    'arn:aws:secretsmanager:eu-west-1:1:secret:a/b-1',
    { harnessApiKeySecret: 'arn:aws:secretsmanager:eu-west-1:1:secret:a/b-1' },
  ],
  ['REGISTRY_CREDENTIALS_SECRET', 'factory/registries', { registryCredentialsSecret: 'factory/registries' }],
  ['ORG_ID', 'default', { orgId: 'default' }],
  ['CONTAINER_REGISTRY_CONNECTOR', 'account.harnessImage', { connector: 'account.harnessImage' }],
  ['REGISTRY_NAME', ' reg.example:5000/a ', { registry: { registry: 'reg.example:5000', prefix: 'a' } }],
  ['SOURCE_REGISTRY', 'gar, mirror.example/x ,', { sources: ['gar', 'mirror.example/x'] }],
  ['MODIFY_DEFAULT', 'false', { modifyDefault: false }],
  ['MODIFY_DEFAULT', 'False', { modifyDefault: false }],
  ['SOURCE_REGISTRY', '["gar", "mirror.example/x"]', { sources: ['gar', 'mirror.example/x'] }],
  ['REGISTRY_NAME', 'https://reg.example/a/', { registry: { registry: 'reg.example', prefix: 'a' } }],
  ['MAX_CONCURRENCY', '40', { maxConcurrency: 40 }],
  ['AUTO_SWITCH', 'always', { autoSwitch: 'always' }],
  ['ALLOW_PRUNE', 'False', { allowPrune: false }],
  ['FORMER_REGISTRY', 'https://old.example/x/', { formerRegistry: { registry: 'old.example', prefix: 'x' } }],
  ['INSECURE_REGISTRIES', 'a.example:5000,b.example', { insecureRegistries: ['a.example:5000', 'b.example'] }],
  ['TRUSTED_TOKEN_HOSTS', 'auth.example', { trustedTokenHosts: ['auth.example'] }],
  [
    'TRUSTED_PRIVATE_HOSTS',
    's3.example:9000, .s3.internal, *.b.example, 10.0.0.0/8, fd00::1, [fd00::2]:9000',
    {
      trustedPrivateHosts: [
        's3.example:9000',
        '.s3.internal',
        '*.b.example',
        '10.0.0.0/8',
        'fd00::1',
        '[fd00::2]:9000',
      ],
    },
  ],
  ['REGISTRY_CERTS', '/etc/docker/certs.d', { registryCerts: '/etc/docker/certs.d' }],
  ['GATHER_SCAN_TEMPLATE', stateMachine, { gatherScanTemplate: stateMachine }],
  ['GATHER_SCAN_TEMPLATE', `${lambda}:live`, { gatherScanTemplate: `${lambda}:live` }],
  ['BUILD_PUSH_TEMPLATE', lambda, { buildPushTemplate: lambda }],
  [
    'ECR_ROLE_ARN',
    'arn:aws:iam::123456789012:role/x/factory',
    { ecrRoleArn: 'arn:aws:iam::123456789012:role/x/factory' },
  ],
  ['ECR_TAG_MUTABILITY', 'IMMUTABLE', { ecrTagMutability: 'IMMUTABLE' }],
  ['ECR_CREATE_REPOSITORIES', 'off', { ecrCreateRepositories: false }],
  ['ECR_KMS_KEY', 'alias/images', { ecrKmsKey: 'alias/images' }],
  ['ECR_KEEP_VERSIONS', '20', { ecrKeepVersions: 20 }],
  [
    'ECR_TAGS',
    'team=platform, cost-center=a=1,empty=',
    { ecrTags: { team: 'platform', 'cost-center': 'a=1', empty: '' } },
  ],
  ['CALLBACK_URL_SECRET', 'factory/callback', { callbackUrlSecret: 'factory/callback' }],
  ['WEBHOOK_ALLOW', 'prune, pins', { webhookAllow: ['prune', 'pins'] }],
];

/** Other variables that a variable requires. */
const needs: Record<string, Environment> = {
  PROJECT_ID: { ORG_ID: 'o' },
  ECR_TAG_MUTABILITY_EXCLUDE: { ECR_TAG_MUTABILITY: 'IMMUTABLE_WITH_EXCLUSION' },
};

describe('every variable', () => {
  it.each(good)('%s takes %s', (name, value, expected) => {
    expect(parseConfiguration({ ...key, ...needs[name], [name]: value })).toMatchObject(expected);
  });

  it.each([
    ['HARNESS_URL', 'app.harness.io'],
    ['HARNESS_URL', 'ftp://app.harness.io'],
    ['HARNESS_URL', 'http://app.harness.io'],
    ['HARNESS_URL', 'https://user:hunter2222@app.harness.io'],
    ['HARNESS_URL', 'https://app.harness.io/?key=hunter'],
    ['HARNESS_ACCOUNT_ID', 'a b'],
    ['HARNESS_ACCOUNT_ID', '../x'],
    ['HARNESS_API_KEY', 'two words hunter2222'],
    ['HARNESS_API_KEY', 'line\nhunter2222'],
    ['HARNESS_API_KEY_SECRET', 'a secret'],
    ['HARNESS_API_KEY_SECRET', 'sat.account.id.hunter2222'],
    ['HARNESS_API_KEY_SECRET', 'my key hunter2222'],
    ['REGISTRY_CREDENTIALS_SECRET', '{"auths":{"r.example":{"auth":"hunter2222"}}}'],
    ['ORG_ID', 'account.x'],
    ['ORG_ID', '1x'],
    ['PROJECT_ID', 'a/b'],
    ['CONTAINER_REGISTRY_CONNECTOR', 'project.x'],
    ['REGISTRY_NAME', 'http://reg.example'],
    ['REGISTRY_NAME', 'fairwinds'],
    ['REGISTRY_NAME', '"reg.example"'],
    ['REGISTRY_NAME', '${HOST}/mirror'],
    ['HARNESS_API_KEY', '"sat.a.b.hunter2222"'],
    ['HARNESS_API_KEY', 'Bearer sat.a.b.hunter2222'],
    ['HARNESS_ACCOUNT_ID', '<+account.identifier>'],
    ['SOURCE_REGISTRY', 'GARR'],
    ['REGISTRY_NAME', 'user:hunter2222@reg.example'],
    ['SOURCE_REGISTRY', 'gar,a/../b'],
    ['SOURCE_REGISTRY', ','],
    ['MODIFY_DEFAULT', 'yes'],
    ['MODIFY_DEFAULT', 'null'],
    ['ORG_ID', 'null'],
    ['MAX_CONCURRENCY', '0'],
    ['MAX_CONCURRENCY', '0x10'],
    ['MAX_CONCURRENCY', '5.5'],
    ['INSECURE_REGISTRIES', 'a.example/x'],
    ['TRUSTED_TOKEN_HOSTS', 'https://a.example'],
    ['TRUSTED_PRIVATE_HOSTS', '*'],
    ['TRUSTED_PRIVATE_HOSTS', 'a.example, https://b.example'],
    ['REGISTRY_CERTS', 'certs.d'],
    ['GATHER_SCAN_TEMPLATE', 'scan'],
    // Of an execution's address a version is no part.
    ['GATHER_SCAN_TEMPLATE', `${stateMachine}:1`],
    ['BUILD_PUSH_TEMPLATE', 'arn:aws:ecs:eu-west-1:123456789012:task/build'],
    ['ECR_ROLE_ARN', 'factory'],
    ['ECR_TAG_MUTABILITY', 'never'],
    ['ECR_CREATE_REPOSITORIES', 'false'],
    ['ECR_TAG_MUTABILITY_EXCLUDE', 'latest,a b'],
    ['ECR_TAG_MUTABILITY_EXCLUDE', '1,2,3,4,5,6'],
    ['ECR_KMS_KEY', 'a key'],
    ['ECR_KEEP_VERSIONS', '4'],
    ['ECR_TAGS', 'team'],
    ['ECR_TAGS', 'aws:team=x'],
    ['CALLBACK_URL_SECRET', 'https://app.harness.io/gateway/pipeline/api/webhook/custom/hunter2222/v3'],
    ['WEBHOOK_TOKEN_SECRET', 'two tokens, hunter2222'],
    ['WEBHOOK_ALLOW', 'all'],
    ['WEBHOOK_ALLOW', 'prune,constructor'],
  ])('%s refuses %j, and shows no secret', (name, value) => {
    const problems = problemsOf({ ...needs[name], [name]: value });
    expect(problems.map(({ path }) => path)).toEqual([name]);
    expect(JSON.stringify(problems)).not.toContain('hunter2222');
  });
});

describe('problems', () => {
  it.each([
    ['REGISTRY_NAME', 'registry.example.com/Mirror', '"Mirror" is not a path component'],
    ['INSECURE_REGISTRIES', 'registry.example.com/x', 'has a path'],
    ['SOURCE_REGISTRY', 'gar,http://x.example', 'it is a URL'],
    ['SOURCE_REGISTRY', 'gar,docker_hub', 'did you mean "dockerhub"?'],
    ['REGISTRY_NAME', 'fairwinds/x', '"fairwinds" is not a registry host'],
    ['GATHER_SCAN_TEMPLATE', 'account.scan_images', 'the identifier of a Harness template'],
    ['BUILD_PUSH_TEMPLATE', 'org.build:1.0.0', 'the identifier of a Harness template'],
    ['REGISTRY_NAME', 'account.harnessImage', 'put it into CONTAINER_REGISTRY_CONNECTOR'],
    ['REGISTRY_NAME', 'org.harness_image', 'put it into CONTAINER_REGISTRY_CONNECTOR'],
    ['SOURCE_REGISTRY', 'gar,account.harnessImage', 'put it into CONTAINER_REGISTRY_CONNECTOR'],
    ['CONTAINER_REGISTRY_CONNECTOR', 'registry.example.com/harness', 'put it into REGISTRY_NAME'],
    ['CONTAINER_REGISTRY_CONNECTOR', 'registry.example.com:5000', 'put it into REGISTRY_NAME'],
    ['CONTAINER_REGISTRY_CONNECTOR', 'https://registry.example.com', 'put it into REGISTRY_NAME'],
    ['HARNESS_URL', 'https://app.harness.io/?a=1', 'a query or fragment after'],
  ])('adds the reason of the parser to a problem of %s', (name, value, reason) => {
    const [problem] = problemsOf({ HARNESS_API_KEY: 'sat.acct1.id.secret', [name]: value });
    expect(problem).toMatchObject({ path: name, reason: expect.stringContaining(reason) });
  });

  it.each([
    ['HARNESS_API_KEY', "'sat.a.b.hunter2222'", 'a value in quotes'],
    ['HARNESS_API_KEY', 'Bearer sat.a.b.hunter2222', 'a key after "Bearer"'],
    ['HARNESS_API_KEY_SECRET', 'pat.hunter2222', 'an API key in place of the name of its secret'],
    ['HARNESS_API_KEY_SECRET', 'sat.a.b.hunter2222', 'an API key in place of the name of its secret'],
    ['WEBHOOK_TOKEN_SECRET', 'pat.a.b.hunter2222', 'an API key in place of the name of its secret'],
    ['CALLBACK_URL_SECRET', '${CALLBACK}', 'an unexpanded ${…}'],
    ['HARNESS_URL', '"https://app.harness.io"', 'a value in quotes'],
  ])('describes the text in place of a value of %s: %j', (name, value, found) => {
    const environment = { HARNESS_API_KEY: 'sat.acct1.id.secret', [name]: value };
    expect(problemsOf(environment)).toMatchObject([{ path: name, found }]);
  });

  it.each([
    ['CONTAINER_REGISTRY_CONNECTOR', 'project.x'],
    ['CONTAINER_REGISTRY_CONNECTOR', 'account.x:y z'],
  ])('takes no other value of %s for a registry: %j', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.not.objectContaining({ reason: expect.anything() })]);
  });

  it.each(['account.example', 'org.registry-1', 'account.Example/x', 'account.Example:443', 'my.account.Example'])(
    'takes a host that begins like a reference for a registry: %s',
    (REGISTRY_NAME) => {
      expect(problemsOf({ REGISTRY_NAME })).toEqual([]);
    },
  );

  it('lists all problems at once', () => {
    const paths = problemsOf({
      HARNESS_API_KEY: ' ',
      HARNESS_URL: 'x',
      MAX_CONCURRENCY: 'x',
      REGISTRY_NAME: ' a b',
    }).map(({ path }) => path);
    expect(paths.toSorted()).toEqual(['HARNESS_API_KEY', 'HARNESS_URL', 'MAX_CONCURRENCY', 'REGISTRY_NAME']);
  });

  it('requires a key unless a secret holds it', () => {
    expect(problemsOf({ HARNESS_API_KEY: '' })).toMatchObject([{ path: 'HARNESS_API_KEY', found: 'nothing' }]);
    expect(problemsOf({ HARNESS_API_KEY: '', HARNESS_API_KEY_SECRET: 'factory/key' })).toEqual([]);
  });

  it('refuses excluded tags without a mutability that excludes, and the reverse', () => {
    const exclude = { ECR_TAG_MUTABILITY_EXCLUDE: 'latest*' };
    expect(problemsOf({ ...exclude, ECR_TAG_MUTABILITY: 'IMMUTABLE' }).map(({ path }) => path)).toEqual([
      'ECR_TAG_MUTABILITY_EXCLUDE',
    ]);
    for (const mutability of ['IMMUTABLE_WITH_EXCLUSION', 'MUTABLE_WITH_EXCLUSION']) {
      const withExclusion = { ECR_TAG_MUTABILITY: mutability };
      expect(problemsOf(withExclusion).map(({ path }) => path)).toEqual(['ECR_TAG_MUTABILITY_EXCLUDE']);
      expect(problemsOf({ ...withExclusion, ...exclude })).toEqual([]);
    }
  });

  it('refuses settings of repositories that nobody creates', () => {
    const off = { ECR_CREATE_REPOSITORIES: 'off' };
    expect(problemsOf(off)).toEqual([]);
    expect(
      problemsOf({ ...off, ECR_TAG_MUTABILITY: 'IMMUTABLE', ECR_KEEP_VERSIONS: '9', ECR_TAGS: 'a=b' }).map(
        ({ path }) => path,
      ),
    ).toEqual(['ECR_TAG_MUTABILITY', 'ECR_KEEP_VERSIONS', 'ECR_TAGS']);
  });

  it('refuses a project without its organization, and an organization that is not named', () => {
    expect(problemsOf({ PROJECT_ID: 'p' }).map(({ path }) => path)).toEqual(['ORG_ID']);
    expect(problemsOf({ CONTAINER_REGISTRY_CONNECTOR: 'org.x' }).map(({ path }) => path)).toEqual(['ORG_ID']);
    expect(problemsOf({ CONTAINER_REGISTRY_CONNECTOR: 'org.x', ORG_ID: 'o', PROJECT_ID: 'p' })).toEqual([]);
  });
});
