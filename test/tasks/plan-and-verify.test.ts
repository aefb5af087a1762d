import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { plan } from '../../functions/plan/plan.ts';
import type { Plan } from '../../functions/state/documents.ts';
import { profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, type FactoryOptions, k8, k8Images, pullThrough, startFactory, statuses } from './factory.ts';

describe('plan and verify', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory();
  });
  afterEach(() => factory.close());

  describe('plan', () => {
    it('shows what sync would do, and writes neither to Harness nor to a registry', async () => {
      const plan = await factory.run('plan', { infrastructure_type: ['K8', 'VM'] });
      expect(plan.status).toBe('SUCCEEDED');
      expect(new Set(Object.values(statuses(plan)))).toEqual(new Set(['planned']));
      expect(factory.writes()).toEqual([]);
      expect(factory.target.requests.filter(({ method }) => method !== 'HEAD')).toEqual([]);
      const sync = await factory.sync({ infrastructure_type: ['K8', 'VM'] });
      expect(plan.images.map(({ image, digest }) => [image, digest])).toEqual(
        sync.images.map(({ image, digest }) => [image, digest]),
      );
      // Blobs that images share are counted once, as they are moved once.
      expect(plan.totals.bytesTransferred).toBe(sync.totals.bytesTransferred);
      expect(plan.config.map(({ status: _, ...row }) => row)).toEqual(sync.config.map(({ status: _, ...row }) => row));
    });

    it('plans no switch with modify_default: false', async () => {
      const plan = await factory.run('plan', { modify_default: false });
      expect(new Set(Object.values(statuses(plan)))).toEqual(new Set(['unchanged']));
    });
  });

  describe('verify', () => {
    it('agrees after a sync, and reads no image', async () => {
      await factory.sync();
      factory.target.requests.length = 0;
      const report = await factory.run('verify');
      expect(report.status).toBe('SUCCEEDED');
      expect(new Set(factory.target.requests.map(({ method }) => method))).toEqual(new Set(['HEAD']));
      expect(report.totals).toMatchObject({ images: k8Images.length, skipped: k8Images.length });
    });

    it.each([
      [
        'a missing image',
        () => factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12'),
        'is not at the registry as',
      ],
      [
        'another image under the tag',
        () => {
          const other = factory.target.storage.resolve('mirror/plugins/cache', '1.10.12') as string;
          factory.target.storage.deleteManifest('mirror/plugins/cache', other);
          const [image] = factory.publish(['plugins/cache:other']);
          if (image) factory.target.storage.putImage('mirror/plugins/cache', '1.10.12', image);
        },
        'is not at the registry as',
      ],
      [
        'a field that was reset',
        () => {
          const account = factory.harness.state[factory.harness.accountId];
          delete account?.ci.K8['cacheS3Tag'];
        },
        'ci K8 cacheS3Tag is not overridden, not ',
      ],
      [
        'an old version that is gone',
        () => {
          const account = factory.harness.state[factory.harness.accountId];
          if (account) account.ci.K8['cacheS3Tag'] = factory.copyOf('plugins/cache:0');
        },
        'plugins/cache:0 is not at the registry',
      ],
    ])('reports %s, and mends nothing', async (_, damage, message) => {
      await factory.sync();
      damage();
      factory.harness.requests.length = 0;
      const report = await factory.run('verify');
      expect(report.status).toBe('FAILED');
      expect(report.error).toMatchObject({ name: 'DriftFound', hint: 'Run sync to repair it.' });
      expect(report.error?.message).toContain(message);
      expect(factory.writes()).toEqual([]);
      expect((await factory.sync()).status).toBe('SUCCEEDED');
      expect((await factory.run('verify')).status).toBe('SUCCEEDED');
    });

    it('reports a connector through which Harness pulls something else by now', async () => {
      await factory.sync();
      pullThrough(factory.harness, 'https://us-docker.pkg.dev/gar-prod-setup/harness-public');
      const report = await factory.run('verify');
      expect(report.error?.name).toBe('DriftFound');
      const copy = factory.copyOf('plugins/cache:1.10.12');
      expect(report.error?.message).toContain(
        `Harness would pull us-docker.pkg.dev/gar-prod-setup/harness-public/${copy} instead of ${copy}, through account.harnessImage`,
      );
    });

    it('notes that the connector is not visible, and agrees all the same', async () => {
      await factory.sync();
      factory.harness.quirks.failNext = [{ count: 1, status: 403, path: '/connectors/' }];
      expect((await factory.run('verify')).status).toBe('SUCCEEDED');
    });

    it('lists and counts every difference', async () => {
      const report = await factory.run('verify');
      // Six fields, five images.
      expect(report.error?.message).toMatch(/^11 differences: /);
      expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['planned']));
      expect(report.config).toContainEqual(
        expect.objectContaining({ field: 'cacheS3Tag', from: null, to: factory.copyOf('plugins/cache:1.10.12') }),
      );
    });
  });
});

describe('the plan task', () => {
  /** The task alone: its result, which the workflow reads, and its document, which later tasks read. */

  const choice = { include_fields: ['cacheS3Tag'] };
  const field = { module: 'ci', infrastructureType: 'K8', field: 'cacheS3Tag' };

  let factory: Factory;
  afterEach(() => factory.close());
  const start = async (options?: FactoryOptions) => void (factory = await startFactory(options));

  const runId = 'run-1';

  /** Plans a run, and releases its lock, as its report would. */
  async function planned(input: object) {
    const result = await factory.task(plan, { runId, input });
    await factory.task((id: string, { runtime }) => runtime.lock.release(id), runId);
    return { result, document: await factory.document<Plan>(`runs/${runId}/plan.json`) };
  }

  describe('the result of the plan task', () => {
    const none = { waves: [], maxConcurrency: 4, scan: false, prune: false };

    it('leads each action to its tasks', async () => {
      await start();
      const ofRun = async (input: object) => (await planned({ ...choice, ...input })).result;
      expect(await ofRun({ max_concurrency: 4 })).toEqual({ ...none, runId: 'run-1', route: 'copy', waves: [[0]] });
      for (const [action, route] of [
        ['plan', 'report'],
        ['verify', 'verify'],
        ['reset', 'report'],
      ])
        expect(await ofRun({ action, max_concurrency: 4 })).toEqual({ ...none, runId: 'run-1', route });
    });

    it('leads a reset and a restore to the switch only where there is something to write', async () => {
      await start();
      const first = await factory.sync(choice, { runId: 'first' });
      expect(first.status).toBe('SUCCEEDED');
      const restore = { action: 'restore', restore_run: 'first' };
      expect((await planned({ action: 'reset' })).result).toMatchObject({ route: 'configure', waves: [] });
      const { result, document } = await planned(restore);
      expect(result).toMatchObject({ route: 'configure', waves: [] });
      expect(document.changes).toMatchObject([{ ...field, from: factory.copyOf('plugins/cache:1.10.12'), to: null }]);
      expect((await factory.run('reset')).status).toBe('SUCCEEDED');
      expect((await planned(restore)).result).toMatchObject({ route: 'report', waves: [] });
    });

    it('says whether the run scans and prunes', async () => {
      const scan = 'arn:aws:states:eu-west-1:123456789012:stateMachine:scan';
      await start({ environment: { GATHER_SCAN_TEMPLATE: scan } });
      expect((await planned({ ...choice, wait_for_scan: true, prune: true })).result).toMatchObject({
        scan: true,
        prune: true,
      });
    });
  });

  describe('the document of the plan task', () => {
    it('has the keys of a plain sync, and no others', async () => {
      await start();
      const { document } = await planned(choice);
      expect(Object.keys(document).toSorted()).toEqual([
        'accountId',
        'action',
        'changes',
        'images',
        'inUse',
        'input',
        'kept',
        'maxConcurrency',
        'modifyDefault',
        'onPartialFailure',
        'prune',
        'pulls',
        'referrers',
        'registries',
        'registry',
        'runId',
        'startedAt',
        'trigger',
        'unused',
        'version',
        'warnings',
      ]);
      expect(document).toMatchObject({ accountId: factory.harness.accountId, runId: 'run-1', trigger: 'command' });
      expect(document.changes).toMatchObject([{ ...field, from: null, to: factory.copyOf('plugins/cache:1.10.12') }]);
      const stored = await factory.document<{ changes: object; held: object }>('runs/run-1/changes.json');
      expect(stored).toMatchObject({ changes: document.changes, held: [] });
    });
  });

  describe('a run with more builds than one execution can hold', () => {
    const images = Array.from({ length: 101 }, (_, index) => `plugins/own-${index}:1`);

    it('ends in its plan, and a verify of the same images does not', async () => {
      const build = 'arn:aws:states:eu-west-1:123456789012:stateMachine:build';
      await start({ environment: { BUILD_PUSH_TEMPLATE: build } });
      factory.publish(images);
      const input = { ...choice, extra_images: images };
      const tooMany = { name: 'InvalidInput', message: '102 images must be built; one run can build at most 100' };
      await expect(planned(input)).rejects.toMatchObject(tooMany);
      await expect(planned({ ...input, action: 'plan' })).rejects.toMatchObject(tooMany);
      expect((await planned({ ...input, action: 'verify' })).result.route).toBe('verify');
    }, 60_000);
  });
});

describe('the printed plan', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  /** Returns the first words of each block of a printed report, in order. */
  const blocks = (text: string) => text.split('\n\n').map((block) => /^\S+(?: \S+)?/.exec(block)?.[0]);

  it.each(profileNames)(
    'prints a blocked switch of %s with its steps first, and one reason for all fields',
    async (profile) => {
      factory = await startFactory({ harness: { profile, connector: 'gar' } });
      const report = await factory.run('plan');
      const text = summaryOf(report);
      expect(text).toMatch(
        /^plan .*: SUCCEEDED \(\d+ images to copy, the switch is blocked\)\n\nsync would not switch Harness: /,
      );
      expect(text).toContain(
        '\n  1. Copy the images: run sync with "modify_default": false.\n  2. Copy what else pods would pull from ',
      );
      expect(text).toMatch(/\n {2}3\. Give connector .*\n {2}4\. Run sync\.\n/);
      expect(text.match(/is in the way/g)).toHaveLength(1);
      const copied = summaryOf(await factory.sync());
      expect(copied).toMatch(
        /\nSwitchBlocked: .*\n {2}1\. Done: the images are copied\.\n {2}2\. Copy what else .*\n {2}3\. Give connector .*\n {2}4\. Run sync again\.\n/,
      );
      const again = summaryOf(await factory.run('plan'));
      expect(again).toMatch(/^plan .*: SUCCEEDED \(0 images to copy, the switch is blocked\)\n/);
      expect(again).toContain('\n  1. Done: the images are copied.\n  2. Copy what else pods would pull from ');
      const others = report.config.length - 3;
      expect(text).toMatch(
        new RegExp(`ci K8 +(?:\\w+, ){2}\\w+ and ${others} more +unchanged +Harness's own \\(the connector `),
      );
    },
  );

  it('prints warnings before the tables, and why nothing copies the images of Windows nodes', async () => {
    factory = await startFactory({ harness: { profile: 'saas-2026' } });
    const text = summaryOf(await factory.run('plan'));
    expect(blocks(text)).toEqual([
      expect.stringMatching(/^plan /),
      'Warning: CD',
      // The table of the copies begins with an empty title.
      undefined,
      'ci K8:',
      'Would be',
      expect.stringMatching(/images:$/),
    ]);
    expect(text).toMatch(
      /ci-addon:rootless-\S+ +missing +ci K8 addonTagRootless \(for Windows nodes only; copied with include_windows_rootless\)\n/,
    );
  });

  it('prints a field that soaks once, with its version', async () => {
    factory = await startFactory();
    const text = summaryOf(await factory.run('plan', { soak_days: '7' }));
    expect(text.match(/\bcacheS3Tag\b/g)).toHaveLength(1);
    expect(text).toMatch(/\nSoaks +Until +Fields\n/);
    expect(text).not.toMatch(/\nConfig /);
  });

  it('prints up to three fields with one reason in a row each, and the values of more as one and a count', async () => {
    factory = await startFactory();
    const { K8 } = factory.harness.state[factory.harness.accountId]?.ci ?? {};
    const use = (overrides: Record<string, string>) => Object.assign(K8 ?? {}, overrides);
    use({ gitCloneTag: 'other.example/a:1', cacheGCSTag: 'other.example/b:1', cacheS3Tag: 'other.example/c:1' });
    expect(summaryOf(await factory.run('plan'))).toMatch(
      /\nci K8 +gitCloneTag +unchanged +other\.example\/a:1 \(points at another registry\)\n/,
    );
    use({ securityTag: 'other.example/d:1' });
    expect(summaryOf(await factory.run('plan'))).toMatch(
      /\nci K8 .* and 1 more +unchanged +other\.example\/a:1 and 3 more \(points at another registry\)\n/,
    );
  });

  describe('a printed plan', () => {
    const drifted = async () => {
      factory = await startFactory();
      Object.assign(factory.harness.state[factory.harness.accountId]?.ci.K8 ?? {}, {
        addonTag: factory.copyOf('harness/ci-addon:1.16.0'),
      });
      return factory.run('plan');
    };

    it('marks each field with + or ~, and has its value before and after', async () => {
      const text = summaryOf(await drifted());
      expect(text).toContain(`\nci K8: 6 fields → ${factory.registry}\n`);
      const addon = `${factory.registry}/harness/ci-addon`;
      expect(text).toMatch(new RegExp(`\\n {2}~ +addonTag +${addon}:1.16.0 → ${addon}:1.18.22\\n`));
      expect(text).toMatch(
        new RegExp(`\\n {2}\\+ +gitCloneTag +Harness's own → ${factory.copyOf(k8.gitCloneTag ?? '')}\\n`),
      );
    });

    it('names what would move and what is shared, in the future tense', async () => {
      const report = await drifted();
      expect(summaryOf(report)).toMatch(
        /\n5 images: 5 to copy, 0 already present, 0 failed; at most \S+ k?B would move, \S+ k?B are shared; planned in \S+ s\n$/,
      );
      expect(summaryOf(report)).not.toMatch(/moved|transferred/);
    });

    it('marks each image to copy with +', async () => {
      expect(summaryOf(await drifted())).toMatch(
        / +Image +To move +Shared\n\+ +harness\/ci-addon:1\.18\.22 +\S+ k?B +/,
      );
    });
  });
});
