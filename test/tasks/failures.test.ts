import { afterEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { FactoryError } from '../../functions/errors.ts';
import { rollback } from '../../functions/rollback/rollback.ts';
import { updateConfig } from '../../functions/update-config/update-config.ts';
import {
  type Factory,
  type FactoryOptions,
  imageStatuses,
  k8,
  k8Images,
  pullThrough,
  startFactory,
  statuses,
} from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

/** The overrides before the run. A failed run must leave exactly these. */
const before = { gitCloneTag: 'harness/drone-git:1.5.0', s3: '' };

async function startWith(options: FactoryOptions = {}): Promise<void> {
  factory = await startFactory(options);
  const account = factory.harness.state[factory.harness.accountId];
  if (account) account.ci.K8 = { ...before };
}

describe('an image that no source has', () => {
  const missing = { ...k8, addonTag: 'harness/ci-addon:9.9.9' };

  it('aborts the switch when no source has an image, and reports which one', async () => {
    await startWith({ harness: { defaults: { ci: { K8: missing } } } });
    const report = await factory.sync();
    expect(report.status).toBe('FAILED');
    expect(report.error).toMatchObject({
      name: 'ImagesFailed',
      message: '1 of 5 images could not be copied: harness/ci-addon:9.9.9',
    });
    expect(report.images.find(({ status }) => status === 'failed')).toMatchObject({
      image: 'harness/ci-addon:9.9.9',
      source: null,
      error: { name: 'ImageNotFound' },
    });
    expect(report.totals).toMatchObject({ images: 5, copied: 4, failed: 1 });
    expect(factory.overrides()).toEqual(before);
    expect(factory.writes()).toEqual([]);
  });

  it('holds back the field of a missing image and its counterpart with update-succeeded, and switches the rest', async () => {
    await startWith({ harness: { defaults: { ci: { K8: missing } } } });
    const report = await factory.sync({ on_partial_failure: 'update-succeeded' });
    expect(report.status).toBe('SUCCEEDED');
    expect(statuses(report)).toEqual({
      'ci K8 addonTag': 'unchanged',
      'ci K8 liteEngineTag': 'unchanged',
      'ci K8 gitCloneTag': 'updated',
      'ci K8 cacheGCSTag': 'updated',
      'ci K8 cacheS3Tag': 'updated',
      'ci K8 securityTag': 'updated',
    });
    expect(report.config.find(({ field }) => field === 'liteEngineTag')?.reason).toMatch(/together with addonTag/);
    expect(factory.overrides()).not.toHaveProperty('addonTag');
  });

  it('fails a plan, without anything being written', async () => {
    await startWith({ harness: { defaults: { ci: { K8: missing } } } });
    const report = await factory.run('plan');
    expect(report.error?.name).toBe('ImagesFailed');
    expect(factory.target.storage.repositories()).toEqual([]);
  });
});

describe('the target', () => {
  it('ends the run at the plan when the target is unreachable', async () => {
    await startWith();
    const report = await factory.sync({ registry: '127.0.0.1:1/mirror' });
    expect(report.error).toMatchObject({ name: 'RegistryUnreachable' });
    expect(factory.overrides()).toEqual(before);
  });

  it('fails the image, and the switch, when the target refuses a push', async () => {
    await startWith();
    factory.target.faults.add({
      match: { method: 'PUT', path: /plugins\/cache\/manifests/, times: 100 },
      act: { status: 400, body: '{"errors":[{"code":"DENIED","message":"quota exceeded"}]}' },
    });
    const report = await factory.sync();
    expect(imageStatuses(report)).toMatchObject({
      'plugins/cache:1.10.12': 'failed',
      [k8Images[0] as string]: 'copied',
    });
    expect(report.images.find(({ status }) => status === 'failed')?.error).toMatchObject({
      name: 'PushRefused',
      message: expect.stringContaining('quota exceeded'),
    });
    expect(report.error?.name).toBe('ImagesFailed');
    expect(factory.overrides()).toEqual(before);
  });

  it('does not leave Harness switched when the target loses an image between copy and switch', async () => {
    await startWith();
    factory.store.onPut = (key) => {
      if (key.endsWith('/config.json')) factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
    };
    const report = await factory.sync();
    expect(report.error).toMatchObject({ name: 'VerificationFailed' });
    expect(report.error?.message).toContain(`${factory.copyOf('plugins/cache:1.10.12')} is not at the registry`);
    expect(factory.overrides()).toEqual({ gitCloneTag: before.gitCloneTag, s3: '' });
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['rolled-back']));
  });

  it('creates repositories through the administration, and fails the image when that is refused', async () => {
    const made: string[] = [];
    await startWith({
      target: { quirks: { createRepositories: false } },
      repositories: {
        ensure: async (_, repository) => {
          made.push(repository);
          if (!repository.endsWith('cache')) factory.target.storage.createRepository(repository);
        },
      },
    });
    const report = await factory.sync();
    expect(made.toSorted()).toEqual(k8Images.map((image) => `mirror/${image.split(':')[0]}`).toSorted());
    expect(report.images.filter(({ status }) => status === 'failed').map(({ error }) => error?.name)).toEqual([
      'PushRefused',
    ]);
  });
});

describe('Harness', () => {
  it('rejects a wrong key before it reaches any registry', async () => {
    await startWith({ environment: { HARNESS_API_KEY: 'sat.embedded.other.wrong-secret' } });
    const report = await factory.sync();
    expect(report.error?.name).toBe('HarnessUnauthorized');
    expect(JSON.stringify(report)).not.toContain('wrong-secret');
    expect([...factory.source.requests, ...factory.target.requests]).toEqual([]);
  });

  it('rolls the first scope back when Harness fails the second', async () => {
    await startWith({ harness: { defaults: { idp: { K8: { cookieCutter: 'harness/cookiecutter:1' } } } } });
    factory.publish(['harness/cookiecutter:1']);
    factory.harness.quirks.failNext = [{ count: 100, status: 500, path: '/idp/execution-config/update-config' }];
    const report = await factory.sync({ modules: ['ci', 'idp'] });
    expect(report.error?.name).toBe('HarnessRejected');
    expect(factory.overrides()).toEqual({ gitCloneTag: before.gitCloneTag, s3: '' });
    expect(factory.overrides('idp')).toEqual({});
    expect(statuses(report)).toMatchObject({ 'ci K8 addonTag': 'rolled-back', 'idp K8 cookieCutter': 'rejected' });
  });

  it('writes an update again that Harness lost', async () => {
    await startWith();
    factory.harness.quirks.loseWrites = 1;
    const report = await factory.sync();
    expect(report.error).toBeUndefined();
    const [first, second, ...more] = factory.writes();
    expect([second, more]).toEqual([first, []]);
    expect(factory.overrides()).toMatchObject({ addonTag: factory.copyOf('harness/ci-addon:1.18.22') });
  });

  it('writes the lost part of an update again', async () => {
    await startWith();
    let once = true;
    factory.store.onPut = (key) => {
      const account = factory.harness.state[factory.harness.accountId];
      if (key.endsWith('/config.json') && once) delete account?.ci.K8['cacheS3Tag'];
      if (key.endsWith('/config.json')) once = false;
    };
    expect((await factory.sync()).error).toBeUndefined();
    expect(factory.writes()[1]?.fields).toEqual(['cacheS3Tag']);
  });

  it.each([
    ['succeeds', false],
    ['is rolled back', true],
  ])('leaves a value that somebody set after the switch, when the run %s', async (_case, fails) => {
    await startWith();
    const theirs = 'registry.corp.example/hotfix/cache:7';
    factory.store.onPut = (key) => {
      const account = factory.harness.state[factory.harness.accountId];
      if (!key.endsWith('/config.json') || !account) return;
      account.ci.K8['cacheS3Tag'] = theirs;
      if (fails) pullThrough(factory.harness, 'https://other.example/docker');
      factory.store.onPut = () => undefined;
    };
    const report = await factory.sync();
    expect(report.error?.name).toBe(fails ? 'VerificationFailed' : undefined);
    expect(factory.overrides()['cacheS3Tag']).toBe(theirs);
    expect(factory.overrides()['addonTag']).toBe(fails ? undefined : factory.copyOf('harness/ci-addon:1.18.22'));
    expect(report.config.find(({ field }) => field === 'cacheS3Tag')).toMatchObject({
      from: theirs,
      to: theirs,
      status: 'unchanged',
      reason: 'was changed by someone else during the run',
    });
  });

  it('rolls everything back when Harness loses an update twice', async () => {
    await startWith();
    factory.harness.quirks.loseWrites = 2;
    const report = await factory.sync();
    expect(report.error).toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining('ci K8 addonTag is not overridden, not '),
    });
    expect(factory.overrides()).toEqual({ gitCloneTag: before.gitCloneTag, s3: '' });
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['rolled-back']));
  });

  it('waits for an update that Harness shows late, and writes it once', async () => {
    await startWith();
    factory.store.onPut = (key) => {
      if (key.endsWith('/config.json')) factory.harness.quirks.oldCopy = { readings: 3, overrides: before };
    };
    expect((await factory.sync()).error).toBeUndefined();
    expect(factory.writes()).toHaveLength(1);
  });

  it('rolls back although Harness shows a stale configuration', async () => {
    await startWith();
    factory.store.onPut = (key) => {
      // Four readings of verify, four after its repair, and the first of the rollback.
      if (key.endsWith('/config.json')) factory.harness.quirks.oldCopy ??= { readings: 9, overrides: before };
    };
    const report = await factory.sync();
    expect(report.error?.name).toBe('VerificationFailed');
    expect(factory.overrides()).toEqual({ gitCloneTag: before.gitCloneTag, s3: '' });
  });

  it('rolls back an update that Harness carried out without a response, even where it does not show yet', async () => {
    await startWith();
    factory.harness.quirks.failNext = [{ count: 2, status: 503, path: 'ci/execution-config/update-config' }];
    factory.store.onPut = (key) => {
      const account = factory.harness.state[factory.harness.accountId];
      if (!key.endsWith('/config.json') || !account || factory.harness.quirks.oldCopy) return;
      account.ci.K8 = { ...before, addonTag: factory.copyOf('harness/ci-addon:1.18.22') };
      factory.harness.quirks.oldCopy = { readings: 1, overrides: before };
    };
    const report = await factory.sync();
    expect(report.error?.name).toBe('HarnessUnreachable');
    expect(factory.overrides()).toEqual({ gitCloneTag: before.gitCloneTag, s3: '' });
  });

  it('gets nothing put back that the run had not come to, and somebody else changed', async () => {
    await startWith({ harness: { defaults: { idp: { K8: { cookieCutter: 'harness/cookiecutter:1' } } } } });
    factory.publish(['harness/cookiecutter:1']);
    factory.harness.quirks.failNext = [{ count: 2, status: 503, path: '/ci/execution-config/update-config' }];
    factory.store.onPut = (key) => {
      const account = factory.harness.state[factory.harness.accountId];
      if (!key.endsWith('/config.json') || !account) return;
      account.idp.K8 = { cookieCutter: 'acme/cutter:1' };
      factory.store.onPut = () => undefined;
    };
    const report = await factory.sync({ modules: ['ci', 'idp'] });
    expect(report.error?.name).toBe('HarnessUnreachable');
    expect(factory.overrides('idp')).toEqual({ cookieCutter: 'acme/cutter:1' });
    expect(statuses(report)).toMatchObject({ 'ci K8 addonTag': 'rolled-back', 'idp K8 cookieCutter': 'unchanged' });
  });

  it('rolls back when the connector leads elsewhere after the switch', async () => {
    await startWith();
    factory.store.onPut = (key) => {
      if (key.endsWith('/config.json')) pullThrough(factory.harness, 'https://other.example/docker');
    };
    const report = await factory.sync();
    expect(report.error).toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining('Harness would pull other.example/docker/'),
    });
    expect(factory.overrides()).toEqual({ gitCloneTag: before.gitCloneTag, s3: '' });
  });

  it('reports each field when Harness cannot be rolled back', async () => {
    await startWith();
    factory.store.onPut = (key) => {
      if (!key.endsWith('/config.json')) return;
      factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
      factory.harness.quirks.failNext = [{ count: 100, status: 500, path: 'ci/execution-config/update-config' }];
    };
    const report = await factory.sync();
    expect(report.error?.name).toBe('RollbackFailed');
    expect(report.error?.message).toContain(
      `ci K8 gitCloneTag is ${factory.copyOf('harness/drone-git:1.7.25-rootless')}, not harness/drone-git:1.5.0`,
    );
    expect(report.error?.message).toContain('(after VerificationFailed: ');
    expect(report.error?.hint).toContain(`restore --run ${report.runId}`);
    expect(report.error?.hint).toContain(factory.store.locate(`runs/${report.runId}/snapshot.json`));
  });

  it('reports the fields that may differ when Harness stops responding during the rollback', async () => {
    await startWith();
    factory.store.onPut = (key) => {
      if (!key.endsWith('/config.json')) return;
      factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
      factory.harness.quirks.failNext = [
        // Verify still reads once.
        { count: 1, status: 200, body: { status: 'SUCCESS', data: factory.overrides() }, path: 'get-customer-config' },
        { count: 100, status: 503, path: 'ci/execution-config' },
      ];
    };
    const report = await factory.sync();
    expect(report.error?.name).toBe('RollbackFailed');
    expect(report.error?.message).toMatch(/^these fields could not be put back \(cannot read the overrides/);
    expect(report.error?.message).toContain('ci K8 gitCloneTag may not be harness/drone-git:1.5.0');
    expect(report.error?.message).toContain('ci K8 addonTag may not be unset');
  });
});

describe('a task that the workflow runs again', () => {
  it('writes nothing twice, and reports each field once', async () => {
    await startWith();
    const { runId } = await factory.sync();
    const key = `runs/${runId}/config.json`;
    const [writes, results] = [factory.writes(), await factory.document(key)];
    await factory.task(updateConfig, { runId });
    expect(factory.writes()).toEqual(writes);
    expect(await factory.document(key)).toEqual(results);
  });

  it('copies nothing again when a task is retried after it copied the image', async () => {
    await startWith();
    const { runId } = await factory.sync();
    factory.target.requests.length = 0;
    expect(await factory.task(copy, { runId, image: 0 })).toEqual({ status: 'copied', waitSeconds: 0 });
    expect(factory.target.requests).toEqual([]);
  });

  it('rolls nothing back without a snapshot', async () => {
    await startWith();
    expect(await factory.task(rollback, { runId: 'never' })).toEqual({ status: 'nothing-to-do' });
  });
});

describe('fields that Harness shows but does not let one change', () => {
  it('reports refused fields as rejected, and switches all others', async () => {
    await startWith({ harness: { quirks: { nonWritableFields: ['ci/K8/cacheGCSTag', 'ci/K8/securityTag'] } } });
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(statuses(report)).toEqual({
      'ci K8 addonTag': 'updated',
      'ci K8 liteEngineTag': 'updated',
      'ci K8 gitCloneTag': 'updated',
      'ci K8 cacheGCSTag': 'rejected',
      'ci K8 cacheS3Tag': 'updated',
      'ci K8 securityTag': 'rejected',
    });
    expect(report.config.find(({ status }) => status === 'rejected')?.reason).toContain('cannot update');
  });

  it('does not retry refused fields the next night, and reports no drift for them', async () => {
    await startWith({ harness: { quirks: { nonWritableFields: ['ci/K8/cacheGCSTag'] } } });
    await factory.sync();
    factory.harness.requests.length = 0;
    const again = await factory.sync();
    expect(again.status).toBe('SUCCEEDED');
    expect(factory.writes()).toEqual([]);
    expect(again.config.find(({ field }) => field === 'cacheGCSTag')).toMatchObject({
      status: 'unchanged',
      reason: expect.stringContaining('Harness refused'),
    });
    expect((await factory.run('verify')).status).toBe('SUCCEEDED');
  });

  it('a new field that is refused fails no night, also where it is the only change of its scope', async () => {
    await startWith();
    const both = { infrastructure_type: ['K8', 'VM'] };
    await factory.sync(both);
    factory.publish(['harness/new:1', 'plugins/cache:9']);
    factory.harness.setDefault('ci', 'VM', 'newTag', 'harness/new:1');
    factory.harness.quirks.nonWritableFields = ['ci/VM/newTag'];
    const first = await factory.sync(both);
    expect(first.error).toBeUndefined();
    expect(statuses(first)['ci VM newTag']).toBe('rejected');
    factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', 'plugins/cache:9');
    const second = await factory.sync(both);
    expect(second.error).toBeUndefined();
    expect(statuses(second)['ci VM newTag']).toBe('unchanged');
    expect(factory.overrides()['cacheS3Tag']).toBe(factory.copyOf('plugins/cache:9'));
  });

  it('retries refused fields after 30 days, without failing a run that changes nothing else', async () => {
    await startWith({ harness: { quirks: { nonWritableFields: ['ci/K8/cacheGCSTag'] } } });
    await factory.sync();
    await factory.store.put('refused-fields.json', Buffer.from('{"ci K8 cacheGCSTag":"2020-01-01T00:00:00.000Z"}'));
    factory.harness.requests.length = 0;
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.writes().map(({ fields }) => fields)).toEqual([['cacheGCSTag']]);
    factory.harness.quirks.nonWritableFields = [];
    await factory.store.put('refused-fields.json', Buffer.from('{"ci K8 cacheGCSTag":"2020-01-01T00:00:00.000Z"}'));
    await factory.sync();
    expect(factory.overrides()['cacheGCSTag']).toBe(factory.copyOf('plugins/cache:1.10.12'));
  });

  it('take their counterpart with them', async () => {
    await startWith({ harness: { quirks: { nonWritableFields: ['ci/K8/addonTag'] } } });
    const report = await factory.sync();
    expect(statuses(report)).toMatchObject({ 'ci K8 addonTag': 'rejected', 'ci K8 liteEngineTag': 'rejected' });
    expect(factory.overrides()).not.toHaveProperty('liteEngineTag');
  });
});

describe('CONTAINER_REGISTRY_CONNECTOR', () => {
  const connector = (type: string, dockerRegistryUrl: string, scope = {}) => ({
    identifier: 'mirror',
    name: 'Mirror',
    type,
    spec: { dockerRegistryUrl, auth: { type: 'Anonymous' } },
    ...scope,
  });

  it.each([
    ['is missing', [], 'connector account.mirror does not exist'],
    ['is of another type', [connector('Github', '')], 'connector account.mirror is of type Github'],
    [
      'leads elsewhere',
      [connector('DockerRegistry', 'https://us-docker.pkg.dev/gar-prod-setup/harness-public')],
      'Harness would pull us-docker.pkg.dev/gar-prod-setup/harness-public/127.0.0.1:',
    ],
    [
      'exists in a project only',
      [connector('DockerRegistry', 'https://index.docker.io/v2/', { projectIdentifier: 'p' })],
      'does not exist',
    ],
  ])('does not switch when the connector %s', async (_, connectors, message) => {
    await startWith({
      environment: { CONTAINER_REGISTRY_CONNECTOR: 'account.mirror' },
      harness: { accounts: { embedded: { connectors } } },
    });
    const report = await factory.sync();
    expect(report.error).toMatchObject({ name: 'SwitchBlocked', message: expect.stringContaining(message) });
    expect(factory.writes()).toEqual([]);
  });

  it('resets even though the connector is missing', async () => {
    await startWith({ environment: { CONTAINER_REGISTRY_CONNECTOR: 'account.mirror' } });
    const report = await factory.run('reset', { reset_scope: 'all' });
    expect(report.error).toBeUndefined();
    expect(Object.keys(factory.overrides())).toEqual(['s3']);
  });

  it.each([
    ['mirror', { orgIdentifier: 'o', projectIdentifier: 'p' }],
    ['org.mirror', { orgIdentifier: 'o' }],
    ['account.mirror', {}],
  ])('%s is looked for in its own scope', async (reference, scope) => {
    await startWith({
      environment: { CONTAINER_REGISTRY_CONNECTOR: reference, ORG_ID: 'o', PROJECT_ID: 'p' },
      harness: {
        accounts: { embedded: { connectors: [connector('DockerRegistry', 'https://index.docker.io/v2/', scope)] } },
      },
    });
    expect((await factory.sync({ include_fields: ['cacheS3Tag'] })).error).toBeUndefined();
  });
});

describe('a repository that may be neither looked for nor created', () => {
  const denial = new FactoryError('RegistryForbidden', 'cannot look it up: AccessDeniedException', {
    hint: 'Allow it.',
  });
  const repositories = {
    ensure: async () => {
      throw denial;
    },
  };

  it('pushes to a repository that it may not look up, when it exists or is created on push', async () => {
    factory = await startFactory({ repositories });
    expect((await factory.sync()).status).toBe('SUCCEEDED');
    expect(factory.arrived('plugins/cache:1.10.12')).toBe(factory.official('plugins/cache:1.10.12'));
  });

  it('fails its image with the denial when the push finds none', async () => {
    factory = await startFactory({ repositories, target: { quirks: { createRepositories: false } } });
    const report = await factory.sync();
    expect(report.images[0]?.error).toMatchObject({ name: 'RegistryForbidden', message: denial.message });
  });
});
