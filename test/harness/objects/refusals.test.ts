import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { harnessObject, type ObjectKind } from '../../../functions/harness/objects/object.ts';
import type { HarnessObjects, Intent } from '../../../functions/harness/objects/objects.ts';
import { SecretValue } from '../../../functions/harness/objects/secret-value.ts';
import { allPermissions } from '../../../infra/local/embedded/harness-api/authentication.ts';
import { startHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import type { LocalServer } from '../../http/local-server.ts';
import { startJsonServer } from '../json-server.ts';
import {
  account,
  all,
  createBefore,
  harness,
  objects,
  objectsAt,
  sample,
  secretText,
  writes,
  useHarness,
} from './harness.ts';
import { samples } from './samples.ts';

useHarness();

const key = 'sat.acct1.key.aaaaaaaaaaaa';

describe('refusals of Harness', () => {
  it('names a template that a pipeline lacks, and the cure', async () => {
    await expect(objects.upsert(sample('pipeline'))).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: expect.stringMatching(
        /^cannot create the pipeline image_factory of default\/platform: .*build_push and versionLabel: v1 does not exist/,
      ),
      hint: 'Create the template first, in the scope and with the version that its reference names.',
    });
  });

  it('names a secret that a connector lacks, and the cure', async () => {
    await expect(objects.upsert(sample('connector'))).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: expect.stringContaining('Secret account.ecr_pull_password does not exist'),
      hint: 'Create the secret first, in the scope that its reference names.',
    });
  });

  it.each([
    ['pipeline', 'policyDeniesPipelines'],
    ['secret', 'policyDeniesSecrets'],
  ] as const)('fails the write of a %s that a policy denies, although the status is 200', async (kind, quirk) => {
    await createBefore(kind);
    harness.quirks[quirk] = true;
    const before = structuredClone(account());
    await expect(objects.upsert(sample(kind))).rejects.toMatchObject({
      name: 'HarnessRejected',
      message: expect.stringContaining('a policy of the account denied it: denied by a policy'),
      hint: expect.stringContaining('Change the policy'),
    });
    expect(account()).toEqual(before);
    harness.quirks[quirk] = false;
    await objects.upsert(sample(kind));
    harness.quirks[quirk] = true;
    const changed = sample(kind, (yaml) => yaml.replace('timeout: 3h', 'timeout: 4h'));
    await expect(objects.upsert(changed)).rejects.toMatchObject({ name: 'HarnessRejected' });
  });

  it('fails the write of a trigger with errors in its YAML, although the status is 200', async () => {
    await createBefore('inputSet');
    await expect(objects.upsert(sample('trigger'))).rejects.toMatchObject({
      name: 'HarnessRejected',
      message:
        'cannot create the trigger nightly_image_factory of default/platform: Harness stored nothing, because its YAML is invalid: ' +
        'trigger.inputSetRefs: input set image_factory_defaults does not exist',
    });
    expect(account().texts.map(({ kind }) => kind)).not.toContain('trigger');
  });

  it.each(['pipeline', 'inputSet', 'trigger', 'template', 'connector', 'secret'] as const)(
    'names the permission that the key lacks for a %s',
    async (kind) => {
      const permissions = allPermissions.filter((name) => name.endsWith('_view'));
      const lacking = { trigger: 'pipeline_execute', inputSet: 'pipeline_edit' } as Partial<Record<ObjectKind, string>>;
      const permission = `core_${lacking[kind] ?? `${kind}_edit`}`;
      await using api = await startHarnessApi({ keys: [{ key, accountId: 'acct1', permissions }] });
      const mine = objectsAt(api.url, key);
      await expect(mine.upsert(sample(kind))).rejects.toMatchObject({
        name: 'HarnessForbidden',
        message: expect.stringContaining(`the key lacks ${permission}`),
        hint: expect.stringContaining(`a role with ${permission} in the `),
      });
    },
  );

  it('shows no value of a secret, even where Harness repeats it', async () => {
    const body = { status: 'ERROR', code: 'INVALID_REQUEST', message: `cannot encrypt ${secretText}` };
    harness.quirks.failNext.push({ count: 1, status: 400, method: 'POST', path: 'secrets', body });
    const failure = await objects.upsert(sample('secret')).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'HarnessRejected', message: expect.stringContaining('cannot encrypt ***') });
    expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain(secretText);
  });

  it('changes no pipeline whose YAML is in Git', async () => {
    await createBefore('inputSet');
    const stored = account().texts.find(({ kind }) => kind === 'pipeline');
    if (!stored) throw new Error('the pipeline is gone');
    stored.remote = true;
    const changed = sample('pipeline', (yaml) => yaml.replace('timeout: 3h', 'timeout: 4h'));
    const inGit = { name: 'InvalidConfiguration', message: expect.stringContaining('its YAML is stored in Git') };
    await expect(objects.upsert(changed)).rejects.toMatchObject(inGit);
    await expect(objects.remove(changed.ref)).rejects.toMatchObject(inGit);
    expect(stored.yaml).toBe(samples.pipeline);
  });
});

describe('creates that fail', () => {
  it('sends a create once when its response is lost but Harness has the object', async () => {
    await createBefore('pipeline');
    harness.requests.length = 0;
    harness.quirks.loseResponses = 1;
    expect(await objects.upsert(sample('pipeline'))).toBe('created');
    expect(writes()).toEqual(['POST pipeline/api/pipelines/v2']);
  });

  it('sends a create again when it failed and Harness lacks the object', async () => {
    await createBefore('pipeline');
    harness.requests.length = 0;
    harness.quirks.failNext.push({ count: 1, status: 503, method: 'POST', path: 'pipelines' });
    expect(await objects.upsert(sample('pipeline'))).toBe('created');
    expect(writes()).toHaveLength(2);
    expect(account().texts.filter(({ kind }) => kind === 'pipeline')).toHaveLength(1);
  });

  it('fails a create as unreachable after the last attempt', async () => {
    harness.quirks.failNext.push({ count: 9, status: 503, method: 'POST', path: 'secrets' });
    await expect(objects.upsert(sample('secret'))).rejects.toMatchObject({ name: 'HarnessUnreachable' });
    expect(writes()).toHaveLength(3);
  });
});

describe('responses about an object', () => {
  let server: LocalServer;
  /** Responses by method, in order; the last one repeats. */
  let responses: Record<string, { status: number; body: unknown }[]>;
  let served: HarnessObjects;
  beforeAll(async () => {
    server = await startJsonServer((method) => {
      const [next, ...rest] = responses[method] ?? [];
      if (!next) throw new Error(`no response to ${method}`);
      if (rest.length > 0) responses[method] = rest;
      return next;
    });
    served = objectsAt(server.url, key);
  });
  afterAll(() => server.close());

  const error = (status: number, code: string, message = 'no') => ({
    status,
    body: { status: 'ERROR', code, message },
  });
  const success = (data: unknown) => ({ status: 200, body: { status: 'SUCCESS', data } });
  const absent = error(404, 'ENTITY_NOT_FOUND');
  const stored = (yaml: string) => success({ yamlPipeline: yaml });
  const ok = success({ identifier: 'image_factory' });
  const pipeline = sample('pipeline');

  it.each([
    ['a 404 with a code', 'pipeline', error(404, 'TEMPLATE_NOT_FOUND')],
    ['a 404', 'trigger', absent],
    ['a 400 with RESOURCE_NOT_FOUND_EXCEPTION', 'connector', error(400, 'RESOURCE_NOT_FOUND_EXCEPTION')],
    ['a 400 with RESOURCE_NOT_FOUND', 'secret', error(400, 'RESOURCE_NOT_FOUND')],
    ['a 400 with its text', 'inputSet', error(400, 'INVALID_REQUEST', 'InputSet with the given ID: x does not exist')],
  ] as const)('reads %s as a missing %s', async (_, kind, response) => {
    responses = { GET: [response] };
    expect(await served.read(sample(kind).ref)).toBeUndefined();
    expect(await served.remove(sample(kind).ref)).toBe(false);
  });

  it.each([
    ['the general code and another text', 'inputSet', error(400, 'INVALID_REQUEST', 'no'), 'HarnessRejected'],
    ['that text of a pipeline', 'pipeline', error(400, 'INVALID_REQUEST', 'it does not exist'), 'HarnessRejected'],
    [
      'a 404 of the gateway',
      'pipeline',
      { status: 404, body: { code: 404, message: 'HTTP 404' } },
      'HarnessUnexpectedResponse',
    ],
    ['no object', 'pipeline', success({}), 'HarnessUnexpectedResponse'],
    ['no data', 'connector', success(null), 'HarnessUnexpectedResponse'],
  ] as const)('fails a read after a response with %s', async (_, kind, response, name) => {
    responses = { GET: [response] };
    await expect(served.read(sample(kind).ref)).rejects.toMatchObject({ name });
  });

  it.each([
    ['DUPLICATE_FIELD', error(400, 'DUPLICATE_FIELD')],
    ['a text', error(400, 'INVALID_REQUEST', 'The template … already exists')],
    ['status 409', error(409, 'CONFLICT')],
  ])('replaces an object that a create finds, by %s', async (_, duplicate) => {
    responses = { GET: [absent, stored('pipeline: { name: other }')], POST: [duplicate], PUT: [ok] };
    expect(await served.upsert(pipeline)).toBe('updated');
    responses = { GET: [absent, stored(samples.pipeline)], POST: [duplicate] };
    expect(await served.upsert(pipeline)).toBe('unchanged');
  });

  it('fails a write whose response lacks the object', async () => {
    responses = { GET: [absent], POST: [success({ governanceMetadata: null })] };
    await expect(served.upsert(pipeline)).rejects.toMatchObject({
      name: 'HarnessUnexpectedResponse',
      message: expect.stringContaining('without the pipeline image_factory of default/platform'),
    });
    responses = { GET: [absent], POST: [success(null)] };
    await expect(served.upsert(sample('template'))).rejects.toMatchObject({ name: 'HarnessUnexpectedResponse' });
  });

  it('succeeds with a deletion that finds nothing after a lost response', async () => {
    responses = { GET: [stored(samples.pipeline)], DELETE: [{ status: 503, body: null }, absent] };
    expect(await served.remove(pipeline.ref)).toBe(true);
  });
});

describe('the check of permissions', () => {
  const intents = (): Intent[] => all().map(({ ref }) => ({ ref, verb: 'create' }));

  it('checks the permissions of all objects in one request, without a write', async () => {
    expect(await objects.assertPermitted(intents())).toBeUndefined();
    expect(harness.requests).toHaveLength(1);
    expect(harness.requests[0]?.body).toMatchObject({
      permissions: [
        { resourceType: 'SECRET', permission: 'core_secret_edit' },
        { resourceType: 'CONNECTOR', permission: 'core_connector_edit' },
        { resourceType: 'TEMPLATE', permission: 'core_template_edit' },
        { resourceType: 'PIPELINE', permission: 'core_pipeline_edit' },
        { resourceType: 'PIPELINE', permission: 'core_pipeline_edit', resourceIdentifier: 'image_factory' },
        { resourceType: 'PIPELINE', permission: 'core_pipeline_execute', resourceIdentifier: 'image_factory' },
      ],
    });
    expect(await objects.assertPermitted([])).toBeUndefined();
  });

  it('names every permission that the key lacks, and the roles with them', async () => {
    const permissions = allPermissions.filter((name) => !/pipeline_(?:edit|delete)|secret_edit/.test(name));
    await using api = await startHarnessApi({ keys: [{ key, accountId: 'acct1', permissions }] });
    const mine = objectsAt(api.url, key);
    const removal: Intent = { ref: sample('pipeline').ref, verb: 'delete' };
    await expect(mine.assertPermitted([...intents(), removal])).rejects.toMatchObject({
      name: 'HarnessForbidden',
      message:
        'the key lacks core_secret_edit on secrets of the account, core_pipeline_edit on pipelines of default/platform, ' +
        'core_pipeline_edit on pipeline image_factory of default/platform, core_pipeline_delete on pipeline image_factory of default/platform',
      hint: expect.stringMatching(
        /core_secret_edit in the scope .*core_pipeline_edit in the project .*core_pipeline_delete/,
      ),
    });
  });

  it('returns a warning where this Harness cannot check permissions', async () => {
    harness.quirks.absentPaths = ['/gateway/authz/api/acl'];
    expect(await objects.assertPermitted(intents())).toContain('could not be checked before the changes');
  });
});

describe('objects', () => {
  it('makes no object of YAML that our checks refuse', () => {
    const broken = samples.trigger.replace('0 2 * * *', '0 25 * * *').replace('name: Nightly', 'nam: Nightly');
    expect(() => harnessObject(broken)).toThrow(
      expect.objectContaining({
        name: 'InvalidConfiguration',
        message: expect.stringContaining(
          'the YAML of the trigger nightly_image_factory of default/platform is invalid',
        ),
        problems: expect.arrayContaining([
          expect.objectContaining({ path: '$.trigger.source.spec.spec.expression' }),
          expect.objectContaining({ path: '$.trigger.name', found: 'nothing' }),
        ]),
      }),
    );
    expect(() => harnessObject('- 1', new SecretValue('unused'))).toThrow(
      'the YAML of an object for Harness is invalid',
    );
  });
});
