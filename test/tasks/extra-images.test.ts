import { afterEach, describe, expect, it } from '@jest/globals';
import { parseExtraImage } from '../../functions/settings/extra-image.ts';
import { imagesOfSets } from '../../functions/settings/extra-sets.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, imageStatuses, startFactory, ownWarnings } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

const nothingElse = { include_fields: ['cacheS3Tag'] };
const cache = 'plugins/cache:1.10.12';

/** Starts with the images that Harness publishes and no field names, beside the few of the account. */
async function start(images: readonly string[] = []): Promise<void> {
  factory = await startFactory({ samples: {} });
  factory.publish(
    ['1.0.0', '1.1.0', '1.2.3', '1.3.0-linux-amd64', '2.0.0', 'latest'].map((tag) => `plugins/email:${tag}`),
  );
  factory.publish(images);
}

describe('a version range in extra_images', () => {
  it('copies the newest version that matches, and the plan and the report name it', async () => {
    await start();
    const input = { ...nothingElse, extra_images: ['plugins/email:^1'] };
    const plan = await factory.run('plan', input);
    const chosen = { image: 'plugins/email:1.2.3', requested: 'plugins/email:^1' };
    expect(plan.images).toMatchObject([{ image: cache }, { ...chosen, status: 'planned' }]);
    expect(summaryOf(plan)).toContain('plugins/email:1.2.3 (newest of ^1)');
    const report = await factory.sync(input);
    expect(report.images).toMatchObject([{ image: cache }, { ...chosen, status: 'copied' }]);
    expect(report.images[0]).not.toHaveProperty('requested');
    expect(factory.arrived('plugins/email:1.2.3')).toBe(factory.official('plugins/email:1.2.3'));
    expect(Object.keys(factory.overrides())).toEqual(['cacheS3Tag']);
  });

  it('follows a new version, and verify accepts its copy', async () => {
    await start();
    const input = { ...nothingElse, extra_images: ['plugins/email:>=1 <3'] };
    await factory.sync(input);
    factory.publish(['plugins/email:2.4.0', 'plugins/email:3.0.0']);
    expect(imageStatuses(await factory.sync(input))).toEqual({ [cache]: 'skipped', 'plugins/email:2.4.0': 'copied' });
    expect((await factory.run('verify', input)).error).toBeUndefined();
  });

  it('reads the tags of the next source where the first lacks the image, and pages through them', async () => {
    await start(Array.from({ length: 30 }, (_, patch) => `plugins/paged:1.0.${patch}`));
    factory.source.quirks.maxPageSize = 10;
    const sources = [`${factory.source.host}/elsewhere`, factory.source.host];
    const input = { ...nothingElse, source_registry: sources, extra_images: ['plugins/paged:~1.0'] };
    const { images } = await factory.run('plan', input);
    expect(images[1]).toMatchObject({
      image: 'plugins/paged:1.0.29',
      source: `${factory.source.host}/plugins/paged:1.0.29`,
    });
  });

  it('costs one request for the tags on a night without news', async () => {
    await start();
    const input = { ...nothingElse, extra_images: ['plugins/email:^1'] };
    await factory.sync(input);
    factory.source.requests.length = 0;
    await factory.sync(input);
    const lists = factory.source.requests.filter(({ path }) => path.includes('/tags/list'));
    expect(lists).toHaveLength(1);
    expect(factory.source.requests.filter(({ method }) => method === 'HEAD')).toHaveLength(2);
  });

  it.each(['sync', 'plan'])(
    'ends a %s before any write when no version matches, with the newest versions',
    async (action) => {
      await start(['plugins/preview:1.0.0-rc.1', 'plugins/preview:latest']);
      const extra = ['plugins/email:*', 'plugins/email:^7', 'plugins/cach:^1', 'plugins/preview:^1'];
      const { error } = await factory.run(action, { ...nothingElse, extra_images: extra });
      expect(error).toMatchObject({
        name: 'InvalidInput',
        message: '3 entries of extra_images match no version',
        hint: expect.stringContaining('allow_unmatched'),
        problems: [
          {
            path: '$.extra_images[1]',
            found: '"plugins/email:^7"',
            allowed: 'a range or a tag of plugins/email, whose newest versions are 2.0.0, 1.2.3, 1.1.0',
          },
          {
            path: '$.extra_images[2]',
            allowed: 'an image that a source has: none lists tags of plugins/cach',
          },
          {
            path: '$.extra_images[3]',
            allowed:
              'a tag of plugins/preview, such as 1.0.0-rc.1, latest: a range chooses among plain versions such as 1.2.3, and no source has any',
          },
        ],
      });
      expect(factory.writes()).toEqual([]);
      expect(factory.target.storage.repositories()).toEqual([]);
    },
  );

  it('warns with allow_unmatched when no version matches, and copies the rest', async () => {
    await start();
    const extra = { extra_images: ['plugins/email:^7'], allow_unmatched: true };
    const report = await factory.sync({ ...nothingElse, ...extra });
    expect(report.status).toBe('SUCCEEDED');
    expect(ownWarnings(report)).toEqual([
      expect.stringMatching(/^\$\.extra_images\[0\]: "plugins\/email:\^7" matches no version/),
    ]);
  });

  it('fails with the reason of the source when none can be read', async () => {
    await start();
    const input = { ...nothingElse, source_registry: '127.0.0.1:1', extra_images: ['plugins/email:^1'] };
    expect((await factory.run('plan', input)).error).toMatchObject({ name: 'RegistryUnreachable' });
  });
});

describe('extra_sets', () => {
  const scanners = imagesOfSets(['sto-scanners']).map(({ image }) => `${image.repository}:latest`);

  it('copy every image of a list, and set no field for them', async () => {
    await start(scanners);
    const report = await factory.sync({ ...nothingElse, extra_sets: ['sto-scanners'] });
    expect(report.error).toBeUndefined();
    expect(ownWarnings(report)).toEqual([]);
    expect(report.totals.copied).toBe(scanners.length + 1);
    for (const scanner of scanners) expect(factory.arrived(scanner)).toBe(factory.official(scanner));
    expect(Object.keys(factory.overrides())).toEqual(['cacheS3Tag']);
  });

  it('leave out images that no source has, with one warning for each set, and the switch happens', async () => {
    await start(['harness/delegate:26.08.89806', 'harness/delegate:25.10.1', ...scanners.slice(2)]);
    const report = await factory.sync({ ...nothingElse, extra_sets: ['sto-scanners', 'delegate', 'ci-plugins'] });
    expect(report.status).toBe('SUCCEEDED');
    expect(ownWarnings(report)).toEqual([
      expect.stringMatching(/^set ci-plugins \(as of [\d-]+\): 8 images are at no source and left out: .*aws-oidc:\*/),
      expect.stringMatching(
        /^set sto-scanners .*: 2 images are .*: harness\/anchore-job-runner:latest, harness\/aqua-s/,
      ),
      expect.stringMatching(/^set delegate .*: 1 image is at no source and left out: harness\/upgrader:latest$/),
    ]);
    expect(report.images).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          image: 'harness/delegate:26.08.89806',
          requested: 'harness/delegate:*',
          status: 'copied',
        }),
        expect.objectContaining({ image: 'plugins/email:2.0.0', requested: 'plugins/email:*' }),
      ]),
    );
    expect(Object.keys(factory.overrides())).toEqual(['cacheS3Tag']);
  });

  it('fail for an image that extra_images names too, and that no source has', async () => {
    await start(scanners.slice(1));
    const report = await factory.sync({
      ...nothingElse,
      extra_sets: ['sto-scanners'],
      extra_images: scanners.slice(0, 1),
    });
    expect(report.error).toMatchObject({ name: 'ImagesFailed' });
  });

  it('follow pins and exclude_fields, where a version moves', async () => {
    await start(['harness/delegate:25.10.1', 'harness/delegate:26.08.89806', 'harness/upgrader:latest']);
    const report = await factory.run('plan', {
      ...nothingElse,
      extra_sets: ['delegate'],
      pins: { 'harnesssecure/delegate': '25.10.1' },
      exclude_fields: ['harness/upgrader'],
    });
    expect(report.error).toBeUndefined();
    expect(report.images.map(({ image }) => image)).toEqual([cache, 'harness/delegate:25.10.1']);
  });

  it('refuse a wrong name, with the nearest', async () => {
    await start();
    const { error } = await factory.run('plan', { extra_sets: ['sto_scanner'] });
    expect(error?.problems).toEqual([
      {
        path: '$.extra_sets[0]',
        found: '"sto_scanner"',
        allowed: 'ci-plugins, sto-scanners, delegate, cd-steps',
        reason: 'did you mean "sto-scanners"?',
      },
    ]);
  });

  it.each([
    ['extra_sets', 'STO', 'it is a set of include_sets'],
    ['include_sets', 'delegate', 'it is a set of extra_sets'],
  ])('tells sets of images from sets of fields: %s %j', async (key, name, reason) => {
    await start();
    const { error } = await factory.run('plan', { [key]: name });
    expect(error?.problems).toEqual([expect.objectContaining({ path: `$.${key}`, reason })]);
  });

  it('name the images of the self-managed platform in its accounts', async () => {
    factory = await startFactory({ harness: { profile: 'self-managed' } });
    const secured = imagesOfSets(['delegate']).map(({ image }) =>
      image.repository.replace('harness/', 'harnesssecure/'),
    );
    factory.publish(secured.flatMap((name) => [`${name}:1.2.0`, `${name}:latest`]));
    const { images, error } = await factory.run('plan', { ...nothingElse, extra_sets: ['delegate'] });
    expect(error).toBeUndefined();
    expect(images.slice(1).map(({ image }) => image)).toEqual([
      'harnesssecure/delegate:1.2.0',
      'harnesssecure/upgrader:latest',
    ]);
  });
});

it('reads a colon before a slash as a port, and a tag as a tag', () => {
  expect(parseExtraImage('localhost:5000/a/b')).toMatchObject({ registry: 'localhost:5000', tag: undefined });
  expect(parseExtraImage('localhost:5000/a/b:^1')).toMatchObject({ registry: 'localhost:5000', range: { text: '^1' } });
  expect(parseExtraImage('a/b:1.x')).toMatchObject({ tag: '1.x' });
  expect(() => parseExtraImage('a/b:1:^1')).toThrow('it has a tag and a version range');
});
