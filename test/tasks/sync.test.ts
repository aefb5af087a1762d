import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type Factory,
  type FactoryOptions,
  imageStatuses,
  k8,
  k8Images,
  startFactory,
  statuses,
  vm,
} from './factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

let factory: Factory;
afterEach(() => factory.close());

/** With the state in files, as a local run has it, and with images of every shape. */
const start = (options: FactoryOptions = {}) =>
  startFactory({ folder: temporaryFolder('sync'), samples: { slim: false }, ...options });

const selected = Object.keys(k8).filter((field) => !field.endsWith('Rootless'));

describe('a first sync', () => {
  it('copies every image unchanged and points every field at its copy', async () => {
    factory = await start();
    const report = await factory.sync();
    expect(report.error).toBeUndefined();
    expect(report.status).toBe('SUCCEEDED');
    expect(imageStatuses(report)).toEqual(Object.fromEntries(k8Images.map((image) => [image, 'copied'])));
    for (const image of k8Images) expect([image, factory.arrived(image)]).toEqual([image, factory.official(image)]);
    expect(factory.overrides()).toEqual(
      Object.fromEntries(selected.map((field) => [field, factory.copyOf(k8[field] as string)])),
    );
  });

  it('leaves the rootless fields of Windows out', async () => {
    factory = await start();
    await factory.sync();
    expect(Object.keys(factory.overrides())).not.toContain('addonTagRootless');
    expect(factory.target.storage.tags('mirror/harness/ci-addon')).toEqual(['1.18.22']);
  });

  it('writes one batch per module and infrastructure type, never two at once', async () => {
    factory = await start({
      // With two writers in flight the slower would lose the other's fields.
      harness: {
        quirks: { lostUpdateRaceMs: 20 },
        defaults: { idp: { K8: { cookieCutter: 'harness/cookiecutter:1.9.1' } } },
      },
    });
    factory.publish(['harness/cookiecutter:1.9.1']);
    const report = await factory.sync({ infrastructure_type: ['K8', 'VM'], modules: ['ci', 'idp'] });
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.writes()).toEqual([
      { path: 'update-config', infra: 'ci K8', fields: selected },
      { path: 'update-config', infra: 'ci VM', fields: Object.keys(vm) },
      { path: 'update-config', infra: 'idp K8', fields: ['cookieCutter'] },
    ]);
    expect(Object.keys(factory.overrides('ci', 'K8'))).toEqual(selected);
    expect(Object.keys(factory.overrides('ci', 'VM'))).toEqual(Object.keys(vm));
  });

  it('copies an image of several fields, modules and infrastructure types once', async () => {
    factory = await start();
    const report = await factory.sync({ infrastructure_type: ['K8', 'VM'] });
    expect(report.images.filter(({ image }) => image === 'plugins/cache:1.10.12')).toHaveLength(1);
    const puts = factory.target.requests.filter(
      ({ method, path }) => method === 'PUT' && path.endsWith('/mirror/plugins/cache/manifests/1.10.12'),
    );
    expect(puts).toHaveLength(1);
  });

  it('moves every shared blob once', async () => {
    factory = await start();
    const report = await factory.sync({ infrastructure_type: ['K8', 'VM'], max_concurrency: 40 });
    expect(report.status).toBe('SUCCEEDED');
    const blobs = new Map<string, number>();
    for (const repository of factory.target.storage.repositories())
      for (const digest of factory.target.storage.blobs(repository))
        blobs.set(digest, factory.target.storage.blob(repository, digest)?.size ?? 0);
    const held = [...blobs.values()].reduce((sum, size) => sum + size, 0);
    const received = factory.target.requests
      .filter(({ path, status }) => path.includes('/blobs/') && status > 0)
      .reduce((sum, { bytesIn }) => sum + bytesIn, 0);
    expect(received).toBe(held);
    expect(report.totals.bytesTransferred).toBe(held);
  });

  it('copies at most max_concurrency images at once', async () => {
    factory = await start();
    const report = await factory.sync({ max_concurrency: 1 });
    expect(report.status).toBe('SUCCEEDED');
    const pushes = factory.target.requests
      .filter(({ method }) => method === 'PUT' || method === 'POST')
      .map(({ path }) => path.slice('/v2/'.length).replace(/\/(?:blobs|manifests)\/.*$/, ''));
    const turns = pushes.filter((repository, i) => repository !== pushes[i - 1]);
    expect(turns).toHaveLength(new Set(pushes).size);
  });
});

describe('a registry that is set not to mount blobs', () => {
  let questions: string[];
  beforeEach(async () => {
    questions = [];
    factory = await start({
      repositories: {
        adviceOnMounts: async (registry) => {
          questions.push(registry);
          return 'aws ecr put-account-setting';
        },
      },
    });
  });

  it('gets no request to mount one, and the report has the command that changes the setting', async () => {
    const report = await factory.sync();
    expect(report.warnings).toContainEqual(
      expect.stringMatching(/ does not mount blobs, .* for the whole registry: aws ecr put-account-setting$/),
    );
    const { host, requests } = factory.target;
    expect(questions).toEqual([host]);
    expect(requests.filter(({ query }) => /\bmount=/.test(query))).toEqual([]);
  });

  it('receives no question about the setting from a run that copies nothing', async () => {
    await factory.sync();
    questions.length = 0;
    expect(await factory.sync()).not.toHaveProperty('warnings');
    expect(questions).toEqual([]);
  });
});

describe('a second sync', () => {
  it.each([
    ['what Harness uses', true],
    ['what it only copied', false],
  ])('writes nothing, and requests %s once at either side, by HEAD', async (_, modify_default) => {
    factory = await start();
    await factory.sync({ modify_default });
    for (const { requests } of [factory.harness, factory.source, factory.target]) requests.length = 0;
    const report = await factory.sync({ modify_default });
    expect(report.status).toBe('SUCCEEDED');
    expect(new Set(report.images.map(({ status }) => status))).toEqual(new Set(['skipped']));
    expect(new Set(report.config.map(({ status }) => status))).toEqual(new Set(['unchanged']));
    for (const { requests } of [factory.source, factory.target]) {
      expect(requests.map(({ method }) => method)).toEqual(k8Images.map(() => 'HEAD'));
    }
    expect(factory.writes()).toEqual([]);
  });

  it('copies a floating tag that moved, and nothing else', async () => {
    factory = await start();
    await factory.sync();
    const before = factory.arrived('harness/sto-plugin:latest');
    factory.publish(['harness/sto-plugin:latest'], { revision: 1 });
    factory.harness.requests.length = 0;
    const report = await factory.sync();
    expect(report.images.filter(({ status }) => status === 'copied').map(({ image }) => image)).toEqual([
      'harness/sto-plugin:latest',
    ]);
    expect(factory.arrived('harness/sto-plugin:latest')).toBe(factory.official('harness/sto-plugin:latest'));
    expect(factory.arrived('harness/sto-plugin:latest')).not.toBe(before);
    expect(factory.writes()).toEqual([]);
  });

  it('switches fields from an older version to the new one', async () => {
    factory = await start();
    await factory.sync();
    factory.harness.setDefault('ci', 'K8', 'gitCloneTag', 'harness/drone-git:1.8.0-rootless');
    factory.publish(['harness/drone-git:1.8.0-rootless']);
    const report = await factory.sync();
    expect(report.config.filter(({ status }) => status === 'updated')).toEqual([
      {
        module: 'ci',
        infrastructureType: 'K8',
        field: 'gitCloneTag',
        from: factory.copyOf('harness/drone-git:1.7.25-rootless'),
        to: factory.copyOf('harness/drone-git:1.8.0-rootless'),
        status: 'updated',
      },
    ]);
  });
});

describe('overrides of the user', () => {
  it.each([
    'registry.corp.example/ci/custom-addon:1',
    'docker.io/acme/custom-addon:7',
    'acme/custom-addon:7',
    ':TeethyTiger',
  ])('%s is not touched by sync, nor by reset', async (value) => {
    factory = await start();
    const account = factory.harness.state[factory.harness.accountId];
    if (!account) throw new TypeError();
    account.ci.K8 = { gitCloneTag: value };
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.overrides()['gitCloneTag']).toBe(value);
    expect(report.config.find(({ field }) => field === 'gitCloneTag')).toMatchObject({
      status: 'unchanged',
      reason: 'points at another registry',
    });
    const reset = await factory.run('reset');
    expect(reset.status).toBe('SUCCEEDED');
    expect(factory.overrides()).toEqual({ gitCloneTag: value });
  });

  it.each([
    'harness/drone-git:1.5.0',
    'docker.io/harness/drone-git:1.5.0',
    'public.ecr.aws/harness/harness/drone-git:1.5.0',
  ])('%s is an image of Harness, and is switched', async (value) => {
    factory = await start();
    const account = factory.harness.state[factory.harness.accountId];
    if (!account) throw new TypeError();
    account.ci.K8 = { gitCloneTag: value };
    await factory.sync();
    expect(factory.overrides()['gitCloneTag']).toBe(factory.copyOf('harness/drone-git:1.7.25-rootless'));
  });

  it('leaves overrides alone that the user sets during the copies', async () => {
    factory = await start();
    factory.store.onPut = (key) => {
      const account = factory.harness.state[factory.harness.accountId];
      if (account && /images\/\d+\.json$/.test(key)) account.ci.K8 = { addonTag: 'registry.corp.example/addon:1' };
    };
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.overrides()['addonTag']).toBe('registry.corp.example/addon:1');
    expect(factory.overrides()).not.toHaveProperty('liteEngineTag');
    expect(statuses(report)).toMatchObject({ 'ci K8 addonTag': 'unchanged', 'ci K8 gitCloneTag': 'updated' });
  });
});

describe('modify_default: false', () => {
  it('copies and leaves Harness alone, even with a connector that would not do', async () => {
    factory = await start({ environment: { CONTAINER_REGISTRY_CONNECTOR: 'account.absent' } });
    const report = await factory.sync({ modify_default: false });
    expect(report.status).toBe('SUCCEEDED');
    expect(report.totals.copied).toBe(k8Images.length);
    expect(factory.writes()).toEqual([]);
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['unchanged']));
  });

  it('takes modify_default: false from the deployment', async () => {
    factory = await start({ environment: { MODIFY_DEFAULT: 'false' } });
    await factory.sync();
    expect(factory.writes()).toEqual([]);
  });
});
