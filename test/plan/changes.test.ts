import { describe, expect, it } from '@jest/globals';
import { parseImageName } from '../../functions/oci/spec/reference.ts';
import { resetChanges, restoreChanges, syncChanges, type SyncSettings } from '../../functions/plan/changes.ts';
import type { ScopeConfiguration } from '../../functions/overrides/scope-configuration.ts';
import { fieldFilter, type SelectedField } from '../../functions/plan/selection.ts';
import type { Snapshot } from '../../functions/state/documents.ts';

const registry = { registry: 'reg.example:5000', prefix: 'mirror' };
const ours = (image: string) => `reg.example:5000/mirror/${image}`;
const k8 = { module: 'ci', infrastructureType: 'K8' } as const;
const vm = { module: 'ci', infrastructureType: 'VM' } as const;
const sync: SyncSettings = {
  registry,
  formerRegistry: undefined,
  sources: [{ registry: 'source.example', prefix: 'x' }],
  prune: false,
  soaking: new Map(),
  ripe: new Map(),
  heldTags: new Set(),
  excludeFields: [],
};

const field = (name: string, image: string, override?: string, more: Partial<SelectedField> = {}): SelectedField => ({
  ...k8,
  field: name,
  image: parseImageName(image),
  override,
  ...more,
});
const scope = (
  overrides: Record<string, string>,
  defaults: Record<string, string> = {},
  more: Partial<ScopeConfiguration> = {},
): ScopeConfiguration => ({
  ...k8,
  defaults,
  overrides,
  ...more,
});

describe('sync', () => {
  it.each<[string, string | undefined]>([
    ['is not overridden', undefined],
    ['is an older copy', ours('plugins/cache:1')],
    ['is Harness’s own image by its bare name', 'plugins/cache:1'],
    ['is at Docker Hub, whatever the sources are', 'docker.io/plugins/cache:1'],
    ['is at a source', 'source.example/x/plugins/cache:1'],
    ['is at Artifact Registry', 'us-docker.pkg.dev/gar-prod-setup/harness-public/plugins/cache:1'],
  ])('writes a field that %s', (_, override) => {
    const { changes, kept } = syncChanges([field('cacheS3Tag', 'plugins/cache:2', override)], [], sync);
    expect(changes).toEqual([
      { ...k8, field: 'cacheS3Tag', from: override ?? null, to: ours('plugins/cache:2'), image: 'plugins/cache:2' },
    ]);
    expect(kept).toEqual([]);
  });

  it('writes nothing where the field already points at its copy', () => {
    const value = ours('plugins/cache:2');
    expect(syncChanges([field('cacheS3Tag', 'plugins/cache:2', value)], [], sync)).toEqual({
      changes: [],
      kept: [{ ...k8, field: 'cacheS3Tag', value, image: 'plugins/cache:2' }],
    });
  });

  it('distinguishes tag 1.1 from 1.10', () => {
    const { changes } = syncChanges([field('cacheS3Tag', 'plugins/cache:1.1', ours('plugins/cache:1.10'))], [], sync);
    expect(changes).toHaveLength(1);
  });

  it.each([
    'registry.corp.example/plugins/cache:1',
    'reg.example:5000/mirror-2/plugins/cache:1',
    'reg.example/mirror/plugins/cache:1',
    'docker.io/acme/cache:1',
    'us-docker.pkg.dev/acme/harness-public/plugins/cache:1',
    'source.example/y/plugins/cache:1',
    'acme/cache:1',
    ':TeethyTiger',
  ])('keeps its hands off %s', (value) => {
    expect(syncChanges([field('cacheS3Tag', 'plugins/cache:2', value)], [], sync)).toEqual({
      changes: [],
      kept: [{ ...k8, field: 'cacheS3Tag', value, reason: 'points at another registry' }],
    });
  });

  it('holds a soaking image back until its day, and leaves a field alone that already names it', () => {
    const soaking = new Map([['plugins/cache:2', '2026-02-01']]);
    const fields = [
      field('cacheS3Tag', 'plugins/cache:2', ours('plugins/cache:1')),
      field('cacheGCSTag', 'plugins/cache:2', ours('plugins/cache:2')),
    ];
    expect(syncChanges(fields, [], { ...sync, soaking })).toEqual({
      changes: [],
      kept: [
        { ...k8, field: 'cacheGCSTag', value: ours('plugins/cache:2'), image: 'plugins/cache:2' },
        {
          ...k8,
          field: 'cacheS3Tag',
          value: ours('plugins/cache:1'),
          reason: 'plugins/cache:2 soaks until 2026-02-01',
        },
      ],
    });
  });

  it('explains that a field waits for a moved tag', () => {
    const value = ours('plugins/cache:latest');
    const held = {
      soaking: new Map([['plugins/cache:latest', '2026-02-01']]),
      heldTags: new Set(['plugins/cache:latest']),
    };
    expect(syncChanges([field('cacheS3Tag', 'plugins/cache:latest', value)], [], { ...sync, ...held })).toEqual({
      changes: [],
      kept: [
        {
          ...k8,
          field: 'cacheS3Tag',
          value,
          reason: 'plugins/cache:latest was moved; the new one soaks until 2026-02-01',
        },
      ],
    });
  });

  it('explains that a tag waits for a scan', () => {
    const row = { ...k8, field: 'cacheS3Tag', value: ours('plugins/cache:latest'), image: 'plugins/cache:latest' };
    const fields = [field(row.field, row.image, row.value)];
    expect(syncChanges(fields, [], { ...sync, unscanned: new Set([row.image]) })).toEqual({
      changes: [],
      kept: [{ ...row, reason: 'plugins/cache:latest has a new image; the tag gets it after its scan' }],
    });
  });

  it('waits with the counterpart of one that soaks, in the same scope only', () => {
    const soaking = new Map([['harness/ci-addon:2', '2026-02-01']]);
    const fields = [
      field('addonTag', 'harness/ci-addon:2'),
      field('liteEngineTag', 'harness/ci-lite-engine:2'),
      field('liteEngineTagRootless', 'harness/ci-lite-engine:rootless-2'),
      field('liteEngineTag', 'harness/ci-lite-engine:2', undefined, vm),
    ];
    const { changes, kept } = syncChanges(fields, [], { ...sync, soaking });
    expect(changes.map(({ infrastructureType, field: name }) => `${infrastructureType} ${name}`)).toEqual([
      'K8 liteEngineTagRootless',
      'VM liteEngineTag',
    ]);
    expect(kept.map(({ field: name, reason }) => [name, reason])).toEqual([
      ['addonTag', 'harness/ci-addon:2 soaks until 2026-02-01'],
      ['liteEngineTag', expect.stringContaining('moves together with addonTag')],
    ]);
  });

  it('reports our overrides of fields that Harness no longer has; prune removes them', () => {
    const scopes = [
      scope(
        { gone: ours('a/b:1'), foreign: 'x.example/a:1', cacheS3Tag: ours('plugins/cache:1') },
        { cacheS3Tag: 'plugins/cache:1' },
      ),
    ];
    expect(syncChanges([], scopes, sync)).toEqual({
      changes: [],
      kept: [{ ...k8, field: 'gone', value: ours('a/b:1'), reason: expect.stringContaining('prune') }],
    });
    expect(syncChanges([], scopes, { ...sync, prune: true })).toEqual({
      changes: [{ ...k8, field: 'gone', from: ours('a/b:1'), to: null }],
      kept: [],
    });
  });

  it('keeps an override that exclude_fields names, even when Harness no longer has the field', () => {
    const scopes = [scope({ gone: ours('a/b:1'), goneToo: ours('a/c:1') })];
    const { changes, kept } = syncChanges([], scopes, { ...sync, prune: true, excludeFields: ['gone'] });
    expect(changes.map(({ field: name }) => name)).toEqual(['goneToo']);
    expect(kept).toEqual([]);
  });

  it('keeps a digest in what it writes', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const { changes } = syncChanges([field('cacheS3Tag', `plugins/cache@${digest}`)], [], sync);
    expect(changes[0]?.to).toBe(ours(`plugins/cache@${digest}`));
  });
});

describe('copies at the former registry', () => {
  const formerRegistry = { registry: 'old.example', prefix: '' };
  const copy = 'old.example/harness/ci-addon:1';
  const image = 'harness/ci-addon:2';

  it.each([
    ['harness/ci-addon:2', copy],
    ['harnesssecure/ci-addon:2', copy],
  ])('a sync replaces that of %s', (official, override) => {
    const selected = [field('addonTag', official, override)];
    expect(syncChanges(selected, [], { ...sync, formerRegistry }).changes).toEqual([
      { ...k8, field: 'addonTag', from: override, to: ours(official), image: official },
    ]);
    expect(syncChanges(selected, [], sync).changes).toEqual([]);
  });

  it.each(['old.example/team/ci-addon:1', 'old.example/mirror/harness/ci-addon:1', 'other.example/harness/ci-addon:1'])(
    'a sync keeps an image of the user there: %s',
    (override) => {
      expect(syncChanges([field('addonTag', image, override)], [], { ...sync, formerRegistry })).toEqual({
        changes: [],
        kept: [{ ...k8, field: 'addonTag', value: override, reason: 'points at another registry' }],
      });
    },
  );

  it('a sync finds them below the prefix of that registry', () => {
    const former = { registry: 'old.example', prefix: 'a/b' };
    const selected = [field('addonTag', image, 'old.example/a/b/harness/ci-addon:1')];
    expect(syncChanges(selected, [], { ...sync, formerRegistry: former }).changes).toHaveLength(1);
  });

  it('a reset removes them, and keeps other images there', () => {
    const overrides = { addonTag: copy, gitCloneTag: 'old.example/team/git:1', gone: copy };
    const scopes = [scope(overrides, { addonTag: image, gitCloneTag: 'harness/drone-git:1' })];
    const chosen = fieldFilter({ includeFields: [], excludeFields: [] });
    const { changes } = resetChanges(scopes, { registry, formerRegistry, resetScope: 'ours', chosen });
    expect(changes).toEqual([{ ...k8, field: 'addonTag', from: copy, to: null }]);
  });
});

describe('reset', () => {
  const overrides = { a: ours('plugins/a:1'), b: 'x.example/b:1', c: ':odd', gone: ours('plugins/gone:1') };
  const scopes = [scope(overrides, { a: 'plugins/a:2', b: 'plugins/b:2', c: 'plugins/c:2' })];
  const all = fieldFilter({ includeFields: [], excludeFields: [] });

  it('removes exactly the overrides at our registry', () => {
    const { changes, kept } = resetChanges(scopes, {
      registry,
      formerRegistry: undefined,
      resetScope: 'ours',
      chosen: all,
    });
    expect(changes).toEqual([
      { ...k8, field: 'a', from: overrides.a, to: null },
      { ...k8, field: 'gone', from: overrides.gone, to: null },
    ]);
    expect(kept.map(({ field: name, reason }) => [name, reason])).toEqual([
      ['b', 'does not point at our registry; reset_scope: all removes it too'],
      ['c', 'does not point at our registry; reset_scope: all removes it too'],
    ]);
  });

  it('removes every override with reset_scope all', () => {
    const { changes } = resetChanges(scopes, { registry, formerRegistry: undefined, resetScope: 'all', chosen: all });
    expect(changes.map(({ field: name }) => name)).toEqual(['a', 'b', 'c', 'gone']);
  });

  it('resets only the fields that a glob on the field or its official image selects', () => {
    const chosen = fieldFilter({ includeFields: ['plugins/b', 'gone'], excludeFields: [] });
    const { changes, kept } = resetChanges(scopes, { registry, formerRegistry: undefined, resetScope: 'all', chosen });
    expect(changes.map(({ field: name }) => name)).toEqual(['b', 'gone']);
    expect(new Set(kept.map(({ reason }) => reason))).toEqual(
      new Set(['left out by include_fields or exclude_fields']),
    );
  });

  it('resets nothing without overrides', () => {
    expect(
      resetChanges([scope({}, { a: 'x:1' })], { registry, formerRegistry: undefined, resetScope: 'all', chosen: all }),
    ).toEqual({
      changes: [],
      kept: [],
    });
  });
});

describe('restore', () => {
  const snapshot: Snapshot = {
    runId: 'r',
    accountId: 'a',
    takenAt: '2026-01-01T00:00:00.000Z',
    scopes: [{ ...k8, overrides: { same: 'x/a:1', changed: 'x/b:1', removed: 'x/c:1' } }],
  };

  it('writes what differs, removes what was not there, and touches no other scope', () => {
    const now = [scope({ same: 'x/a:1', changed: 'x/b:2', added: 'x/d:1' }), scope({ other: 'x' }, {}, vm)];
    const { changes, kept } = restoreChanges(now, snapshot);
    expect(changes).toEqual([
      { ...k8, field: 'changed', from: 'x/b:2', to: 'x/b:1' },
      { ...k8, field: 'removed', from: null, to: 'x/c:1' },
      { ...k8, field: 'added', from: 'x/d:1', to: null },
    ]);
    expect(kept).toEqual([{ ...k8, field: 'same', value: 'x/a:1' }]);
  });
});
