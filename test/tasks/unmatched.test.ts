import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Factory, startFactory, ownWarnings } from './factory.ts';

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory();
});
afterEach(() => factory.close());

const paths = (report: { error?: { problems?: { path: string }[] } }) =>
  report.error?.problems?.map(({ path }) => path);
const until = '2999-12-31';

describe('an entry that protects nothing', () => {
  it('ends the run before anything is written, with every other such entry and the nearest names', async () => {
    const report = await factory.sync({
      pins: { 'harness/ci-adon': '1', 'docker.io/harness/ci-addon': '1.18.22', 'harness/iacm-terraform': '1' },
      include_fields: ['*', 'buildAndPush*'],
      exclude_fields: ['addonTagg', 'plugins/*', 'nobody.example/x/cache'],
      platforms: ['linux/amd64', 'linux/amd46'],
    });
    expect(report.error).toMatchObject({
      name: 'InvalidInput',
      message: '6 entries of the execution input would protect nothing',
      hint: expect.stringContaining('allow_unmatched'),
      problems: [
        {
          path: '$.pins["harness/ci-adon"]',
          found: '"harness/ci-adon"',
          allowed: expect.stringContaining('such as harness/ci-addon'),
        },
        { path: '$.pins["harness/iacm-terraform"]' },
        { path: '$.include_fields[1]', found: '"buildAndPush*"' },
        { path: '$.exclude_fields[0]', allowed: expect.stringMatching(/such as addonTag/) },
        { path: '$.exclude_fields[2]', allowed: expect.stringContaining('plugins/cache') },
        { path: '$.platforms[1]', found: '"linux/amd46"', allowed: expect.stringContaining('such as linux/amd64') },
      ],
    });
    expect(factory.writes()).toEqual([]);
    expect(factory.target.storage.repositories()).toEqual([]);
    expect(await factory.store.get('first-seen.json')).toBeUndefined();
  });

  it('warns with allow_unmatched, and applies the rest of the input', async () => {
    const pins = { 'harness/ci-adon': '1', 'harness/sto-plugin': 'latest' };
    const platforms = ['linux/amd64', 'linux/amd46'];
    const report = await factory.sync({ allow_unmatched: true, include_fields: ['securityTag'], pins, platforms });
    expect(report.status).toBe('SUCCEEDED');
    expect(ownWarnings(report)).toEqual([
      expect.stringMatching(/^\$\.pins\["harness\/ci-adon"\]: "harness\/ci-adon" matches nothing; .*harness\/ci-addon/),
      expect.stringMatching(/^\$\.platforms\[1\]: "linux\/amd46" matches nothing/),
    ]);
    expect(Object.keys(factory.overrides())).toEqual(['securityTag']);
  });

  it.each(['plan', 'verify'])('fails a %s too', async (action) => {
    expect(paths(await factory.run(action, { pins: { 'harness/typo': '1' } }))).toEqual(['$.pins["harness/typo"]']);
  });

  it('lets a reset proceed, unless the entry selects what is reset', async () => {
    await factory.sync({ include_fields: ['cacheS3Tag'] });
    expect(paths(await factory.run('reset', { include_fields: ['cacheS4Tag'] }))).toEqual(['$.include_fields[0]']);
    expect((await factory.run('reset', { pins: { 'harness/typo': '1' } })).status).toBe('SUCCEEDED');
    expect(factory.overrides()).toEqual({});
  });
});

describe('an entry that protects something', () => {
  it.each<[string, object]>([
    ['the pin of an image whose field is left out', { pins: { 'plugins/cache': '1' }, exclude_fields: ['cache*'] }],
    [
      'the pin of an extra image without a version',
      { pins: { 'harness/sto-plugin': 'latest' }, extra_images: ['harness/sto-plugin'] },
    ],
    ['a glob on a field that only Windows uses', { exclude_fields: ['addonTagRootless'] }],
    [
      'a glob on an image, as it is copied',
      { exclude_fields: ['us-docker.pkg.dev/gar-prod-setup/harness-public/plugins/*'] },
    ],
    ['a platform of some images only', { platforms: ['linux/amd64', 'linux/arm64'] }],
  ])('accepts an entry that protects something: %s', async (_, input) => {
    expect(paths(await factory.run('plan', input))).toBeUndefined();
  });

  it('accepts an entry for an override whose field Harness dropped', async () => {
    const state = factory.harness.state[factory.harness.accountId];
    if (state) state.ci.K8 = { goneTag: factory.copyOf('harness/gone:1') };
    expect(paths(await factory.run('plan', { exclude_fields: ['goneTag'] }))).toBeUndefined();
  });

  it('refuses a pin of an extra image that has its own version', async () => {
    const input = { pins: { 'harness/delegate': '1' }, extra_images: ['harness/delegate:2'], allow_unmatched: true };
    expect(ownWarnings(await factory.run('plan', input))).toEqual([
      expect.stringContaining('$.pins["harness/delegate"]'),
    ]);
  });
});

describe('the images of scan_allow', () => {
  const withScan = async (...allow: object[]) => {
    await factory.close();
    factory = await startFactory({
      environment: { GATHER_SCAN_TEMPLATE: 'arn:aws:lambda:eu-west-1:123456789012:function:scan' },
      template: () => ({ call: async () => ({ output: {} }) }),
    });
    return factory.run('plan', { wait_for_scan: true, scan_allow: allow });
  };

  it('must match an image; ids, which come and go, must match nothing', async () => {
    const report = await withScan(
      { id: 'CVE-2025-1', until, images: ['docker.io/plugins/*', 'plugins/cach'] },
      { id: 'CVE-2025-2', until },
      { id: 'CVE-2025-3', until, images: ['harness/ci-addon:1.18.*', 'harness/gone:1'] },
      { id: 'CVE-2025-4', until: '2020-01-01', images: ['harness/gone'] },
    );
    expect(paths(report)).toEqual(['$.scan_allow[0].images[1]', '$.scan_allow[2].images[1]']);
  });
});
