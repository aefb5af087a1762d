import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Factory, imageStatuses, k8Images, startFactory, statuses } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

describe('modules and infrastructure_type', () => {
  it('copies and switches iacm and idp under their own endpoints, on Kubernetes only', async () => {
    factory = await startFactory({
      harness: {
        defaults: {
          iacm: { K8: { iacmTerraform: 'plugins/harness_terraform:latest' } },
          idp: { K8: { cookieCutter: 'harness/cookiecutter:1.9.1' } },
        },
      },
    });
    factory.publish(['plugins/harness_terraform:latest', 'harness/cookiecutter:1.9.1']);
    const report = await factory.sync({ modules: ['ci', 'iacm', 'idp'], infrastructure_type: ['VM', 'K8'] });
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.overrides('iacm')).toEqual({ iacmTerraform: factory.copyOf('plugins/harness_terraform:latest') });
    expect(factory.overrides('idp')).toEqual({ cookieCutter: factory.copyOf('harness/cookiecutter:1.9.1') });
    expect(factory.writes().map(({ infra }) => infra)).toEqual(['ci VM', 'ci K8', 'iacm-manager K8', 'idp K8']);
  });

  it('leaves Kubernetes alone with infrastructure_type VM', async () => {
    factory = await startFactory();
    await factory.sync({ infrastructure_type: 'VM' });
    expect(factory.overrides('ci', 'K8')).toEqual({});
    expect(Object.keys(factory.overrides('ci', 'VM'))).toEqual(['gitCloneTag', 'cacheS3Tag']);
  });
});

describe('include_windows_rootless', () => {
  it('adds the rootless fields, and the git image without its suffix, which no field names', async () => {
    factory = await startFactory();
    const report = await factory.sync({ include_windows_rootless: true });
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.overrides()).toMatchObject({
      addonTag: factory.copyOf('harness/ci-addon:1.18.22'),
      addonTagRootless: factory.copyOf('harness/ci-addon:rootless-1.18.22'),
      liteEngineTagRootless: factory.copyOf('harness/ci-lite-engine:rootless-1.18.22'),
    });
    expect(factory.arrived('harness/drone-git:1.7.25')).toBe(factory.official('harness/drone-git:1.7.25'));
  });
});

describe('started_by', () => {
  it('goes into the plan and the report', async () => {
    factory = await startFactory();
    const report = await factory.run('plan', { started_by: 'arn:one' }, { runId: 'run-1' });
    expect(report.startedBy).toBe('arn:one');
    expect(await factory.document('runs/run-1/plan.json')).toMatchObject({ startedBy: 'arn:one' });
  });
});

describe('pins', () => {
  it('hold every variant of an image at a version', async () => {
    factory = await startFactory();
    factory.publish(
      ['ci-addon:1.17.0', 'ci-addon:rootless-1.17.0', 'drone-git:1.6.9-rootless', 'drone-git:1.6.9'].map(
        (image) => `harness/${image}`,
      ),
    );
    const report = await factory.sync({
      include_windows_rootless: true,
      include_fields: ['addonTag*', 'gitCloneTag'],
      pins: { 'harness/ci-addon': '1.17.0', 'harness/drone-git': '1.6.9' },
    });
    expect(report.images.map(({ image }) => image)).toContain('harness/drone-git:1.6.9');
    expect(factory.overrides()).toEqual({
      addonTag: factory.copyOf('harness/ci-addon:1.17.0'),
      addonTagRootless: factory.copyOf('harness/ci-addon:rootless-1.17.0'),
      gitCloneTag: factory.copyOf('harness/drone-git:1.6.9-rootless'),
    });
  });

  it('accepts a digest as a pin', async () => {
    factory = await startFactory();
    const digest = factory.official('plugins/cache:1.10.12') as string;
    const report = await factory.sync({ include_fields: ['cache*'], pins: { 'plugins/cache': digest } });
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.overrides()).toEqual({
      cacheGCSTag: `${factory.registry}/plugins/cache@${digest}`,
      cacheS3Tag: `${factory.registry}/plugins/cache@${digest}`,
    });
    expect(factory.target.storage.manifest('mirror/plugins/cache', digest)).toBeDefined();
  });

  it('hold an extra image that has no version of its own', async () => {
    factory = await startFactory();
    factory.publish(['harness/delegate:25.10.1']);
    const digest = factory.official('harness/delegate:25.10.1') ?? '';
    for (const pin of ['25.10.1', digest]) {
      const extra = { extra_images: ['harness/delegate'], exclude_fields: ['*'] };
      const { images } = await factory.run('plan', { ...extra, pins: { 'docker.io/harness/delegate': pin } });
      expect(images).toMatchObject([
        { image: pin === digest ? `harness/delegate@${digest}` : `harness/delegate:${pin}`, digest },
      ]);
    }
  });
});

describe('extra_images', () => {
  it('copies extra images, and sets no field for them', async () => {
    factory = await startFactory();
    factory.publish(['harness/delegate:25.10.1']);
    const report = await factory.sync({ extra_images: ['harness/delegate:25.10.1'], include_fields: ['cacheS3Tag'] });
    expect(imageStatuses(report)).toEqual({ 'plugins/cache:1.10.12': 'copied', 'harness/delegate:25.10.1': 'copied' });
    expect(factory.arrived('harness/delegate:25.10.1')).toBe(factory.official('harness/delegate:25.10.1'));
    expect(Object.keys(factory.overrides())).toEqual(['cacheS3Tag']);
  });

  it('copies extra images from a host of their own', async () => {
    factory = await startFactory({ environment: { SOURCE_REGISTRY: 'source.invalid' } });
    const report = await factory.run('plan', {
      exclude_fields: ['*'],
      extra_images: [`${factory.source.host}/harness/sto-plugin`],
    });
    expect(report.images).toMatchObject([
      {
        source: `${factory.source.host}/harness/sto-plugin:latest`,
        target: factory.copyOf('harness/sto-plugin:latest'),
        status: 'planned',
      },
    ]);
  });
});

describe('an official image of Docker Hub', () => {
  const proxy = process.env.HTTPS_PROXY;
  beforeEach(() => {
    // Nobody listens there: the run says what it would have asked for.
    process.env.HTTPS_PROXY = 'http://127.0.0.1:1';
  });
  afterEach(() => {
    if (proxy === undefined) delete process.env.HTTPS_PROXY;
    else process.env.HTTPS_PROXY = proxy;
  });

  it.each([
    ['docker.io/alpine:3.20', 'dockerhub', 'docker.io/library/alpine'],
    ['docker:27-dind', 'dockerhub', 'docker.io/library/docker'],
    ['index.docker.io/alpine:3.20', 'dockerhub', 'index.docker.io/library/alpine'],
    ['harness/delegate:1', 'docker.io/library', 'docker.io/harness/delegate'],
  ])('%s from %s is looked for in %s', async (image, source, repository) => {
    factory = await startFactory({ environment: { SOURCE_REGISTRY: source } });
    const { images } = await factory.run('plan', { exclude_fields: ['*'], extra_images: [image] });
    expect(images.map(({ error }) => error?.message)).toEqual([expect.stringContaining(` ${repository}: `)]);
  });
});

describe('an input of texts, as Harness variables are', () => {
  it('runs as its values do, and the report has the input as understood', async () => {
    factory = await startFactory();
    const report = await factory.sync({
      registry: '',
      infrastructure_type: 'k8',
      modules: '["ci"]',
      include_fields: 'addonTag, liteEngineTag',
      pins: '{"harness/ci-addon": "1.18.22"}',
      max_concurrency: '2',
      prune: 'false',
    });
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 2 } });
    expect(report.input).toEqual({
      action: 'sync',
      infrastructure_type: 'K8',
      modules: ['ci'],
      include_fields: ['addonTag', 'liteEngineTag'],
      pins: { 'harness/ci-addon': '1.18.22' },
      max_concurrency: 2,
      prune: false,
    });
    expect(Object.keys(factory.overrides()).toSorted()).toEqual(['addonTag', 'liteEngineTag']);
  });
});

describe('include_fields and exclude_fields', () => {
  it('choose by field and by image, and exclusion wins', async () => {
    factory = await startFactory();
    await factory.sync({ include_fields: ['plugins/*', 'gitCloneTag'], exclude_fields: ['cacheGCS*'] });
    expect(Object.keys(factory.overrides()).toSorted()).toEqual(['cacheS3Tag', 'gitCloneTag']);
  });
});

describe('platforms', () => {
  it('reduce every index, the same way each time: a second run has nothing to do', async () => {
    factory = await startFactory({ samples: {} });
    const first = await factory.sync({ platforms: ['linux/amd64'] });
    expect(first.status).toBe('SUCCEEDED');
    for (const image of k8Images) {
      const [name, tag = ''] = image.split(':');
      const manifest = factory.target.storage.manifest(`mirror/${name}`, tag);
      const document = JSON.parse(manifest?.bytes.toString() ?? '') as {
        manifests?: { platform: { architecture: string; os: string } }[];
      };
      const platforms = new Set(
        (document.manifests ?? []).map(({ platform }) => `${platform.os}/${platform.architecture}`),
      );
      platforms.delete('unknown/unknown');
      expect([...platforms]).toEqual(document.manifests ? ['linux/amd64'] : []);
    }
    factory.source.requests.length = 0;
    const second = await factory.sync({ platforms: ['linux/amd64'] });
    expect(second.totals).toMatchObject({ copied: 0, skipped: k8Images.length, bytesTransferred: 0 });
    expect(factory.writes()).toHaveLength(1);
    // The manifests that the filter needs are known from the first run.
    expect(factory.source.requests.filter(({ method }) => method === 'GET')).toEqual([]);
  });
});

describe('soak_days', () => {
  it('copies at once, and switches to a tag that many days after it was first seen', async () => {
    factory = await startFactory();
    const held = await factory.sync({ soak_days: 7 });
    expect(held.status).toBe('SUCCEEDED');
    expect(held.totals.copied).toBe(k8Images.length);
    expect(factory.overrides()).toEqual({});
    expect(held.config[0]).toMatchObject({ status: 'unchanged', reason: expect.stringMatching(/ soaks until \d{4}-/) });
    const { images: seen } = await factory.document<{ images: object }>('first-seen.json');
    const weekAgo = new Date(Date.now() - 7 * 86_400_000 - 1_000).toISOString();
    const older = Object.fromEntries(Object.keys(seen).map((image) => [image, weekAgo]));
    await factory.store.put('first-seen.json', Buffer.from(JSON.stringify(older)));
    const report = await factory.sync({ soak_days: 7 });
    expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['updated']));
  });

  it('holds addon and lite engine together, whichever was seen later', async () => {
    factory = await startFactory();
    const old = new Date(Date.now() - 30 * 86_400_000).toISOString();
    const ripe = ['harness/ci-addon:1.18.22', 'plugins/cache:1.10.12'];
    const seen = Object.fromEntries(ripe.map((image) => [`${image}@${factory.official(image)}`, old]));
    await factory.store.put('first-seen.json', Buffer.from(JSON.stringify(seen)));
    await factory.sync({ soak_days: 7 });
    expect(Object.keys(factory.overrides()).toSorted()).toEqual(['cacheGCSTag', 'cacheS3Tag']);
  });
});

describe('source_registry', () => {
  it('falls back to the next source for an image that the first lacks', async () => {
    factory = await startFactory();
    const report = await factory.sync({
      source_registry: [`${factory.source.host}/elsewhere`, factory.source.host],
      include_fields: ['cacheS3Tag'],
    });
    expect(report.status).toBe('SUCCEEDED');
    expect(report.images[0]?.source).toBe(`${factory.source.host}/plugins/cache:1.10.12`);
  });

  it('falls back to the next source when the first cannot be reached', async () => {
    factory = await startFactory();
    const report = await factory.sync({
      source_registry: ['127.0.0.1:1', factory.source.host],
      include_fields: ['cacheS3Tag'],
    });
    expect(report.status).toBe('SUCCEEDED');
    expect(report.images[0]?.source).toBe(`${factory.source.host}/plugins/cache:1.10.12`);
  });
});

describe('referrers', () => {
  const signature = 'application/vnd.dev.cosign.artifact.sig.v1+json';
  const sbom = 'application/spdx+json';

  function attach(artifactType: string): string {
    const empty = Buffer.from('{}');
    const subject = factory.source.storage.manifest('plugins/cache', '1.10.12');
    const { digest } = factory.source.storage.putBlob('plugins/cache', empty);
    const descriptor = { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: empty.length };
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        artifactType,
        config: descriptor,
        layers: [descriptor],
        subject: { mediaType: subject?.mediaType, digest: subject?.digest, size: subject?.bytes.length },
      }),
    );
    return factory.source.storage.putManifest('plugins/cache', 'application/vnd.oci.image.manifest.v1+json', bytes)
      .digest;
  }

  it.each([
    ['off', []],
    ['signatures', [signature]],
    ['all', [signature, sbom]],
  ] as const)('copies the referrers of the policy %s', async (referrers, expected) => {
    factory = await startFactory();
    const attached = [signature, sbom].map((type) => [type, attach(type)] as const);
    const report = await factory.sync({ referrers, include_fields: ['cacheS3Tag'] });
    expect(report.status).toBe('SUCCEEDED');
    const arrived = attached.filter(([, digest]) => factory.target.storage.manifest('mirror/plugins/cache', digest));
    expect(arrived.map(([type]) => type)).toEqual(expected);
  });

  it('copies referrers that appeared after the image in the next run', async () => {
    factory = await startFactory();
    await factory.sync({ include_fields: ['cacheS3Tag'] });
    const digest = attach(signature);
    const report = await factory.sync({ include_fields: ['cacheS3Tag'], referrers: 'signatures' });
    expect(report.images[0]?.status).toBe('copied');
    expect(factory.target.storage.manifest('mirror/plugins/cache', digest)).toBeDefined();
    const again = await factory.sync({ include_fields: ['cacheS3Tag'], referrers: 'signatures' });
    expect(again.images[0]?.status).toBe('skipped');
  });
});
