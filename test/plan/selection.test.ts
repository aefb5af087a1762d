import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatReference } from '../../functions/oci/spec/reference.ts';
import type { ScopeConfiguration } from '../../functions/overrides/scope-configuration.ts';
import {
  fieldFilter,
  type Selection,
  selectFields,
  type SelectionSettings,
  unlistedImages,
} from '../../functions/plan/selection.ts';

const settings: SelectionSettings = {
  includeWindowsRootless: false,
  includeSets: [],
  includeFields: [],
  excludeFields: [],
  pins: {},
};
const digest = `sha256:${'a'.repeat(64)}`;

const scope = (defaults: Record<string, string>, more: Partial<ScopeConfiguration> = {}): ScopeConfiguration => ({
  module: 'ci',
  infrastructureType: 'K8',
  defaults,
  overrides: {},
  ...more,
});

const chosen = ({ fields }: Selection) =>
  Object.fromEntries(fields.map(({ field, image }) => [field, formatReference(image)]));

const defaults = {
  addonTag: 'harness/ci-addon:1.18.22',
  addonTagRootless: 'harness/ci-addon:rootless-1.18.22',
  liteEngineTagRootless: 'harness/ci-lite-engine:rootless-1.18.22',
  gitCloneTag: 'harness/drone-git:1.7.25-rootless',
  cacheS3Tag: 'plugins/cache:1.10.12',
};

describe('the selection', () => {
  it('selects every field with its official image and its override', () => {
    const { fields, warnings } = selectFields(
      [scope({ cacheS3Tag: 'plugins/cache:1' }, { overrides: { cacheS3Tag: 'x/y:1', other: 'z' } })],
      settings,
    );
    expect(fields).toEqual([
      {
        module: 'ci',
        infrastructureType: 'K8',
        field: 'cacheS3Tag',
        image: { registry: undefined, repository: 'plugins/cache', tag: '1', digest: undefined },
        override: 'x/y:1',
      },
    ]);
    expect(warnings).toEqual([]);
  });

  it('leaves the rootless fields of Windows to those who ask for them', () => {
    expect(Object.keys(chosen(selectFields([scope(defaults)], settings)))).toEqual([
      'addonTag',
      'gitCloneTag',
      'cacheS3Tag',
    ]);
    expect(chosen(selectFields([scope(defaults)], { ...settings, includeWindowsRootless: true }))).toEqual(defaults);
  });

  it.each([
    ['registry.example:5000/harness/x:1', 'registry.example:5000/harness/x:1'],
    [`harness/x@${digest}`, `harness/x@${digest}`],
    [`harness/x:1@${digest}`, `harness/x:1@${digest}`],
    ['harness/x', 'harness/x:latest'],
  ])('understands a default such as %s', (value, expected) => {
    expect(chosen(selectFields([scope({ someTag: value })], settings))).toEqual({ someTag: expected });
  });

  it('passes an empty default over', () => {
    expect(selectFields([scope({ someTag: '' })], settings)).toEqual({ fields: [], warnings: [] });
  });

  it.each([
    [':TeethyTiger', '"" is not a path component'],
    ['harness/x:a b', 'it holds a space'],
    ['Harness/x:1', '"Harness" is not a path component'],
    ['harness/../x:1', '".." is not a path component'],
    ['harness/x@sha256:1', '"sha256:1" is not a digest'],
  ])('ignores a default that is no image name (%s), with a warning', (value, reason) => {
    const { fields, warnings } = selectFields([scope({ someTag: value, other: 'harness/x:1' })], settings);
    expect(fields.map(({ field }) => field)).toEqual(['other']);
    const start = `ci K8 someTag: Harness's default ${JSON.stringify(value)} is not an image name (${reason}`;
    expect(warnings).toEqual([expect.stringMatching(/\); left alone$/)]);
    expect(warnings[0]?.slice(0, start.length)).toBe(start);
  });
});

describe('globs', () => {
  const names = (includeFields: string[], excludeFields: string[] = []) =>
    Object.keys(chosen(selectFields([scope(defaults)], { ...settings, includeFields, excludeFields })));

  it.each([
    [['cache*'], [], ['cacheS3Tag']],
    [['plugins/*'], [], ['cacheS3Tag']],
    [['harness/ci-*', 'cacheS3Tag'], [], ['addonTag', 'cacheS3Tag']],
    [['{addon,gitClone}Tag'], [], ['addonTag', 'gitCloneTag']],
    [[], ['harness/*'], ['cacheS3Tag']],
    [['*Tag'], ['addonTag', 'plugins/**'], ['gitCloneTag']],
    [['addontag'], [], []],
    // A glob stands for the whole name, not for a part of it.
    [['addon'], [], []],
    [['harness'], [], []],
  ])('include %j, exclude %j', (include, exclude, expected) => {
    expect(names(include, exclude)).toEqual(expected);
  });

  it('exclude wins, whatever is included', () => {
    const name = fc.stringMatching(/^[a-z]{1,8}$/);
    fc.assert(
      fc.property(name, fc.array(name), (field, include) => {
        const filter = fieldFilter({ includeFields: [...include, '*'], excludeFields: [field] });
        expect(filter(field, { repository: 'harness/other', tag: '1' })).toBe(false);
      }),
    );
  });

  it.each<[include: string[], exclude: string[], expected: boolean]>([
    [['plugins/cache:1.2-rootless'], [], true],
    [['plugins/cache:1.2'], [], false],
    [['plugins/*:*-rootless'], [], true],
    // A glob without a tag compares names, as it always did.
    [['plugins/*-rootless'], [], false],
    [['plugins/*'], ['plugins/cache:1.2-rootless'], false],
    [['plugins/*'], ['plugins/*-rootless'], true],
    [['harnesssecure/cache:1.2-rootless'], [], true],
  ])('compares the tag of an image with globs that have one: include %j, exclude %j', (include, exclude, expected) => {
    const filter = fieldFilter({ includeFields: include, excludeFields: exclude });
    expect(filter('cacheTag', { repository: 'plugins/cache', tag: '1.2-rootless' })).toBe(expected);
  });

  it('compares a glob with a tag with the version that a pin chose', () => {
    const scope = {
      module: 'ci',
      infrastructureType: 'K8',
      defaults: { aTag: 'plugins/cache:2' },
      overrides: {},
    } as const;
    const chosen = (glob: string) =>
      selectFields([scope], {
        includeWindowsRootless: false,
        includeSets: [],
        includeFields: [glob],
        excludeFields: [],
        pins: { 'plugins/cache': '1' },
      }).fields.map(({ field }) => field);
    expect(chosen('plugins/cache:1')).toEqual(['aTag']);
    expect(chosen('plugins/cache:2')).toEqual([]);
  });

  it('accepts a glob on a field that Harness no longer has', () => {
    expect(fieldFilter({ includeFields: ['gone*'], excludeFields: [] })('goneTag', undefined)).toBe(true);
  });
});

describe('pins', () => {
  const pinned = (pins: Record<string, string>, includeWindowsRootless = true) =>
    selectFields([scope(defaults)], { ...settings, includeWindowsRootless, pins });

  it.each(['1.17.0', 'rootless-1.17.0', '1.17.0-rootless'])(
    'keeps the variant of each field with pins of %s',
    (pin) => {
      expect(chosen(pinned({ 'harness/ci-addon': pin, 'harness/drone-git': pin, 'plugins/cache': pin }))).toEqual({
        addonTag: 'harness/ci-addon:1.17.0',
        addonTagRootless: 'harness/ci-addon:rootless-1.17.0',
        liteEngineTagRootless: 'harness/ci-lite-engine:rootless-1.18.22',
        gitCloneTag: 'harness/drone-git:1.17.0-rootless',
        cacheS3Tag: 'plugins/cache:1.17.0',
      });
    },
  );

  it('pins an image by digest without its tag, which may point at another image', () => {
    expect(chosen(pinned({ 'plugins/cache': digest }))['cacheS3Tag']).toBe(`plugins/cache@${digest}`);
    expect(chosen(pinned({ 'harness/ci-addon': digest }, false))['addonTag']).toBe(`harness/ci-addon@${digest}`);
  });

  it('refuses to pin a digest for an image with several variants in use', () => {
    expect(() => pinned({ 'harness/ci-addon': digest })).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        problems: [
          {
            path: '$.pins["harness/ci-addon"]',
            found: digest,
            allowed: expect.stringContaining('1.18.22, rootless-1.18.22'),
          },
        ],
      }),
    );
  });

  it('warns about pins without effect because their field is left out', () => {
    const { warnings } = selectFields([scope(defaults)], {
      ...settings,
      excludeFields: ['cache*'],
      pins: { 'plugins/cache': '1' },
    });
    expect(warnings).toEqual(['the pin of plugins/cache has no effect: no selected field uses that image']);
  });

  it('looks pins up by own property names only', () => {
    expect(chosen(selectFields([scope({ someTag: 'constructor:1' })], settings))).toEqual({ someTag: 'constructor:1' });
  });
});

describe('images that no field names', () => {
  const unlisted = (gitCloneTag: string, includeWindowsRootless = true) => {
    const more = { ...settings, includeWindowsRootless };
    return unlistedImages(
      selectFields([scope({ gitCloneTag, cacheS3Tag: 'plugins/cache:1-rootless' })], more).fields,
      more,
    ).map(formatReference);
  };

  it('adds the git image without -rootless for Windows without the feature flag', () => {
    expect(unlisted('harness/drone-git:1.7.25-rootless')).toEqual(['harness/drone-git:1.7.25']);
  });

  it('adds no image without Windows, or where the tag has no suffix', () => {
    expect(unlisted('harness/drone-git:1.7.25-rootless', false)).toEqual([]);
    expect(unlisted('harness/drone-git:1.7.25')).toEqual([]);
    expect(unlisted(`harness/drone-git@${digest}`)).toEqual([]);
  });
});
