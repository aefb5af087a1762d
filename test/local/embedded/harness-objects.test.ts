import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { allPermissions } from '../../../infra/local/embedded/harness-api/authentication.ts';
import { defaultQuirks } from '../../../infra/local/embedded/harness-api/quirks.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount } from '../../../infra/local/embedded/harness-api/state.ts';
import { callHarness, type Sending } from './harness-call.ts';

const admin = 'sat.acct1.admin.aaaaaaaaaaaa';
const viewer = 'sat.acct1.viewer.bbbbbbbbbbbb';

let harness: EmbeddedHarnessApi;
beforeAll(async () => {
  harness = await startHarnessApi({
    keys: [
      { key: admin, accountId: 'acct1', permissions: [...allPermissions] },
      { key: viewer, accountId: 'acct1', permissions: allPermissions.filter((name) => name.endsWith('_view')) },
    ],
  });
});
beforeEach(() => {
  harness.state['acct1'] = emptyAccount();
  Object.assign(harness.quirks, defaultQuirks());
});
afterAll(() => harness.close());

const project = '&orgIdentifier=default&projectIdentifier=platform';
const ofPipeline = `${project}&pipelineIdentifier=factory`;
const ofTarget = `${project}&targetIdentifier=factory`;

const call = (method: string, path: string, sending: Sending = {}, key = admin) => {
  const [folder = '', query = ''] = path.split('?');
  const headers = { ...(sending.body !== undefined && { 'content-type': 'application/yaml' }), ...sending.headers };
  const url = `${harness.url}/gateway/${folder}?accountIdentifier=acct1${query}`;
  return callHarness(url, key, method, { ...sending, headers });
};
const send = (method: string, path: string, body: string, headers: Record<string, string> = {}) =>
  call(method, path, { body, headers });

const step = 'step: { name: Show, identifier: show, type: ShellScript, spec: {} }';
const stage = (spec = `type: Custom, spec: { execution: { steps: [{ ${step} }] } }`) =>
  `{ stage: { name: One, identifier: one, ${spec} } }`;
const pipeline = (stages = stage(), more = '') =>
  `pipeline: { name: Factory, identifier: factory, variables: [{ name: registry, type: String, value: <+input> }], stages: [${stages}]${more} }`;
const template = (label = 'v1', more = '') =>
  `template: { name: Build, identifier: build, versionLabel: ${label}, type: Stage${more}, spec: { type: Custom, strategy: <+input>, variables: [{ name: image, type: String, value: <+input> }], spec: { execution: { steps: [{ ${step} }] } } } }`;
const inputSet = (variable = 'registry', name = 'factory') =>
  `inputSet: { name: Defaults, identifier: defaults, pipeline: { identifier: ${name}, variables: [{ name: ${variable}, type: String, value: x }] } }`;
const trigger = (cron = '0 2 * * *', more = 'inputSetRefs: [defaults]') =>
  `trigger: { name: Nightly, identifier: nightly, pipelineIdentifier: factory, source: { type: Scheduled, spec: { type: Cron, spec: { expression: ${cron} } } }, ${more} }`;

const pipelines = `pipeline/api/pipelines/v2?${project}`;
const inputSets = `pipeline/api/inputSets?${ofPipeline}`;
const triggers = `pipeline/api/triggers?${ofTarget}`;
const templates = `template/api/templates?${project}`;

/** Stores one object of each kind. */
async function storeAll(): Promise<void> {
  for (const [path, body] of [
    [templates, template()],
    [pipelines, pipeline()],
    [inputSets, inputSet()],
    [triggers, trigger()],
  ] as const)
    expect(await send('POST', path, body)).toMatchObject({ status: 200, body: { status: 'SUCCESS' } });
}
const stored = () => harness.state['acct1']?.texts ?? [];

/** The path of each object, for reading, updating and deleting. */
const objects = [
  [
    'template',
    `template/api/templates/build?${project}&versionLabel=v1`,
    `template/api/templates/update/build/v1?${project}`,
    `template/api/templates/build/v1?${project}`,
    template(),
  ],
  [
    'pipeline',
    `pipeline/api/pipelines/factory?${project}`,
    `pipeline/api/pipelines/v2/factory?${project}`,
    `pipeline/api/pipelines/factory?${project}`,
    pipeline(),
  ],
  [
    'inputSet',
    `pipeline/api/inputSets/defaults?${ofPipeline}`,
    `pipeline/api/inputSets/defaults?${ofPipeline}`,
    `pipeline/api/inputSets/defaults?${ofPipeline}`,
    inputSet(),
  ],
  [
    'trigger',
    `pipeline/api/triggers/nightly?${ofTarget}`,
    `pipeline/api/triggers/nightly?${ofTarget}`,
    `pipeline/api/triggers/nightly?${ofTarget}`,
    trigger(),
  ],
] as const;

describe('objects that are stored as YAML', () => {
  it.each(objects)(
    'returns the text of a %s as it was given, with its version',
    async (kind, read, update, _, yaml) => {
      await storeAll();
      const members = { template: 'yaml', pipeline: 'yamlPipeline', inputSet: 'inputSetYaml', trigger: 'yaml' };
      expect(await call('GET', read)).toMatchObject({
        status: 200,
        body: { data: { [members[kind]]: yaml, version: 0 } },
      });
      expect((await send('PUT', update, `# again\n${yaml}`)).status).toBe(200);
      const { body } = await call('GET', read);
      expect(body).toMatchObject({ data: { [members[kind]]: `# again\n${yaml}`, version: 1 } });
    },
  );

  it.each(objects)('needs permissions to read, change and delete a %s', async (_, read, update, remove, yaml) => {
    await storeAll();
    expect((await call('GET', read, {}, viewer)).status).toBe(200);
    expect((await call('PUT', update, { body: yaml }, viewer)).body).toMatchObject({ code: 'NG_ACCESS_DENIED' });
    expect((await call('DELETE', remove, {}, viewer)).status).toBe(403);
  });

  it.each(objects)(
    'does not find a missing %s, nor one of another project',
    async (kind, read, update, remove, yaml) => {
      const absent =
        kind === 'inputSet'
          ? { status: 400, body: { code: 'INVALID_REQUEST' } }
          : { status: 404, body: { code: 'ENTITY_NOT_FOUND' } };
      expect(await call('GET', read)).toMatchObject(absent);
      expect(await call('DELETE', remove)).toMatchObject(absent);
      expect((await send('PUT', update, yaml)).status).toBeGreaterThanOrEqual(400);
      await storeAll();
      expect((await call('GET', read.replace('=platform', '=other'))).status).toBe(absent.status);
    },
  );

  it.each([
    ['template', templates, template(), 'INVALID_REQUEST'],
    ['pipeline', pipelines, pipeline(), 'DUPLICATE_FIELD'],
    ['inputSet', inputSets, inputSet(), 'DUPLICATE_FIELD'],
    ['trigger', triggers, trigger(), 'INVALID_REQUEST'],
  ])('refuses a %s that exists', async (_, path, yaml, code) => {
    await storeAll();
    expect(await send('POST', path, yaml)).toMatchObject({
      status: 400,
      body: { status: 'ERROR', code, message: expect.stringContaining('already exists') },
    });
  });

  it.each([
    ['JSON', 'application/json', 415, 200],
    ['a form', 'application/x-www-form-urlencoded', 415, 415],
  ])('reads YAML alone, and for triggers under %s too or not', async (_, type, forPipelines, forTriggers) => {
    await storeAll();
    const [headers] = [{ 'content-type': type }];
    expect((await send('PUT', `pipeline/api/pipelines/v2/factory?${project}`, pipeline(), headers)).status).toBe(
      forPipelines,
    );
    expect((await send('PUT', `pipeline/api/triggers/nightly?${ofTarget}`, trigger(), headers)).status).toBe(
      forTriggers,
    );
  });

  it.each(objects.filter(([kind]) => kind !== 'pipeline'))(
    'compares bare digits in If-Match for a %s, and ignores the rest',
    async (_, __, update, ___, yaml) => {
      await storeAll();
      expect(await send('PUT', update, yaml, { 'if-match': '7' })).toMatchObject({
        status: 400,
        body: { code: 'OPTIMISTIC_LOCKING_EXCEPTION' },
      });
      expect((await send('PUT', update, yaml, { 'if-match': '"7"' })).status).toBe(200);
      expect((await send('PUT', update, yaml, { 'if-match': '1' })).status).toBe(200);
    },
  );

  it('ignores If-Match for pipelines, which Harness stores without comparing it', async () => {
    await storeAll();
    expect(
      (await send('PUT', `pipeline/api/pipelines/v2/factory?${project}`, pipeline(), { 'if-match': '7' })).status,
    ).toBe(200);
  });

  it('forgets input sets and triggers with their pipeline', async () => {
    await storeAll();
    expect((await call('DELETE', `pipeline/api/pipelines/factory?${project}`)).body).toMatchObject({ data: true });
    expect(stored().map(({ kind }) => kind)).toEqual(['template']);
  });
});

describe('refusals of YAML', () => {
  const linked = (more: string, rest = '') => stage(`template: { templateRef: build, ${more} }${rest}`);

  it.each([
    ['that is none', pipelines, 'pipeline: [', 'Invalid yaml in pipeline'],
    ['of another kind', pipelines, template(), '$.pipeline: is missing'],
    ['without stages', pipelines, pipeline(''), '$.pipeline.stages'],
    ['without a name', pipelines, pipeline().replace('name: Factory, ', ''), '$.pipeline.name'],
    ['without an identifier', pipelines, pipeline().replace('identifier: factory, ', ''), '$.pipeline.identifier'],
    [
      'of another project',
      pipelines,
      pipeline(stage(), ', projectIdentifier: other'),
      'Expected projectIdentifier in YAML to be [platform], but was [other]',
    ],
    ['with two stages of one identifier', pipelines, pipeline(`${stage()}, ${stage()}`), 'Duplicate identifier: one'],
    ['with a step without a type', pipelines, pipeline().replace('type: ShellScript, ', ''), '$.step.type'],
    ['with a variable that is no text', pipelines, pipeline().replace('<+input>', 'true'), 'must be a string'],
    [
      'with a missing template',
      pipelines,
      pipeline(linked('versionLabel: v9')),
      'build and versionLabel: v9 does not exist',
    ],
    [
      'with a missing template of the account',
      pipelines,
      pipeline(stage('template: { templateRef: account.build }')),
      'account.build and stable versionLabel does not exist',
    ],
    [
      'with an input that the template lacks',
      pipelines,
      pipeline(linked('templateInputs: { timeout: 1h }')),
      'templateInputs.timeout is no input',
    ],
    [
      'with a strategy beside a template',
      pipelines,
      pipeline(linked('versionLabel: v1', ', strategy: { parallelism: 2 }')),
      'strategy is not allowed beside',
    ],
    [
      'with two strategies',
      pipelines,
      pipeline(stage('type: Custom, strategy: { parallelism: 2, matrix: { a: [1] } }, spec: {}')),
      'Only one of matrix',
    ],
    [
      'of an input set for another pipeline',
      inputSets,
      inputSet('registry', 'other'),
      'to be [factory], but was [other]',
    ],
    ['of an input set with an unknown input', inputSets, inputSet('other'), 'invalid: pipeline.variables.other'],
    [
      'of a trigger for another pipeline',
      triggers,
      trigger().replace('pipelineIdentifier: factory', 'pipelineIdentifier: other'),
      'to be [factory], but was [other]',
    ],
    [
      'of a template without a label',
      templates,
      template().replace('versionLabel: v1, ', ''),
      'versionLabel: does not match',
    ],
    ['of a template without steps', templates, template().replace(/steps: \[.*?\]/, 'steps: []'), 'steps: is missing'],
  ])('name the reason for YAML %s', async (_, path, yaml, message) => {
    await storeAll();
    const before = structuredClone(stored());
    const fresh = yaml.replace('identifier: factory,', 'identifier: fresh,');
    expect(await send('POST', path, path === pipelines ? fresh : yaml)).toMatchObject({
      status: 400,
      body: { status: 'ERROR', message: expect.stringContaining(message) },
    });
    expect(stored()).toEqual(before);
  });

  it.each([
    ['a bogus schedule', trigger('at noon'), 'trigger.source.spec.spec.expression'],
    ['an hour that does not exist', trigger('0 25 * * *'), 'trigger.source.spec.spec.expression'],
    ['a missing input set', trigger('0 2 * * *', 'inputSetRefs: [other]'), 'trigger.inputSetRefs'],
    ['inputs twice', trigger('0 2 * * *', 'inputSetRefs: [defaults], inputYaml: x'), 'trigger.inputYaml'],
    ['no pipeline', trigger().replace('pipelineIdentifier: factory, ', ''), 'trigger.pipelineIdentifier'],
  ])('have status 200 for a trigger with %s, and store nothing', async (_, yaml, place) => {
    await storeAll();
    const before = structuredClone(stored());
    const path = `pipeline/api/triggers/nightly?${ofTarget}`;
    expect(await send('PUT', path, yaml)).toMatchObject({
      status: 200,
      body: { status: 'SUCCESS', data: { errorResponse: true, errors: { [place]: expect.any(String) } } },
    });
    expect(stored()).toEqual(before);
  });

  it('have status 200 for a pipeline that a policy denies, and store nothing', async () => {
    harness.quirks.policyDeniesPipelines = true;
    const { status, body } = await send('POST', pipelines, pipeline());
    expect(status).toBe(200);
    expect(body).toMatchObject({ data: { identifier: null, governanceMetadata: { deny: true } } });
    expect(stored()).toEqual([]);
  });

  it.each(objects)('name both identifiers where path and YAML of a %s disagree', async (_, __, update, ___, yaml) => {
    await storeAll();
    const other = yaml.replace(/identifier: (?:build|factory|defaults|nightly)/, 'identifier: other');
    const reply = await send('PUT', update, other);
    expect(reply).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/to be \[\w+\], but was \[other\]/) },
    });
  });
});

describe('versions of templates', () => {
  const label = async (query = '') => {
    const { body } = await call('GET', `template/api/templates/build?${project}${query}`);
    return (body as { data: { versionLabel: string } }).data.versionLabel;
  };

  it('make the first version stable, and a later one on request', async () => {
    await send('POST', templates, template('v1'));
    await send('POST', templates, template('v2'));
    expect(await label()).toBe('v1');
    await send('POST', `${templates}&setDefaultTemplate=true`, template('v3'));
    expect(await label()).toBe('v3');
    expect(await label('&versionLabel=v2')).toBe('v2');
    expect((await send('POST', `${templates}&isNewTemplate=true`, template('v4'))).status).toBe(400);
  });

  it('keep a version that a pipeline names, and the stable one beside others', async () => {
    await send('POST', templates, template('v1'));
    await send('POST', templates, template('v2'));
    const used = stage(
      'template: { templateRef: build, versionLabel: v2, templateInputs: { type: Custom, strategy: { parallelism: 2 }, variables: [{ name: image, type: String, value: x }] } }',
    );
    expect((await send('POST', pipelines, pipeline(used))).status).toBe(200);
    const remove = (version: string) => call('DELETE', `template/api/templates/build/${version}?${project}`);
    expect((await remove('v2')).body).toMatchObject({ code: 'ENTITY_REFERENCE_EXCEPTION' });
    expect((await remove('v1')).body).toMatchObject({ message: expect.stringContaining('stable version') });
    await call('DELETE', `pipeline/api/pipelines/factory?${project}`);
    expect((await remove('v2')).status).toBe(200);
    expect((await remove('v1')).status).toBe(200);
    expect(stored()).toEqual([]);
  });
});

describe('new connectors and secrets', () => {
  const json = (path: string, body: unknown) =>
    call('POST', path, { body, headers: { 'content-type': 'application/json' } });
  const secret = (value: string) => ({
    secret: {
      type: 'SecretText',
      name: 'ECR',
      identifier: 'ecr',
      spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value },
    },
  });
  const login = { type: 'UsernamePassword', spec: { username: 'AWS', passwordRef: 'account.ecr' } };
  const connector = {
    connector: {
      type: 'DockerRegistry',
      name: 'Mirror',
      identifier: 'mirror',
      spec: { dockerRegistryUrl: 'https://r.example.com', providerType: 'Other', auth: login },
    },
  };

  it('go in the order of their references, and out in reverse', async () => {
    const secrets = 'ng/api/v2/secrets?';
    const connectors = 'ng/api/connectors?';
    expect((await json(connectors, connector)).body).toMatchObject({
      message: expect.stringContaining('Secret account.ecr does not exist'),
    });
    expect((await json(secrets, secret(''))).status).toBe(400);
    expect(await json(secrets, secret('hidden'))).toMatchObject({
      status: 200,
      body: { data: { secret: { spec: { value: null } } } },
    });
    expect((await json(secrets, secret('hidden'))).body).toMatchObject({ code: 'DUPLICATE_FIELD' });
    expect((await json(`${secrets}&orgIdentifier=default`, secret('hidden'))).body).toMatchObject({
      message: expect.stringContaining('do not match'),
    });
    expect((await json(connectors, connector)).status).toBe(200);
    expect((await json(connectors, connector)).body).toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('already exists'),
    });
    expect((await call('DELETE', 'ng/api/v2/secrets/ecr?')).body).toMatchObject({ code: 'ENTITY_REFERENCE_EXCEPTION' });
    expect((await call('DELETE', 'ng/api/connectors/mirror?')).status).toBe(200);
    expect((await call('DELETE', 'ng/api/v2/secrets/ecr?')).status).toBe(200);
    expect((await call('DELETE', 'ng/api/v2/secrets/ecr?')).status).toBe(400);
  });
});
