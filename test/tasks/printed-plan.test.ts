import { afterEach, describe, expect, it } from '@jest/globals';
import { profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, k8, startFactory } from './factory.ts';

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
    expect(summaryOf(await drifted())).toMatch(/ +Image +To move +Shared\n\+ +harness\/ci-addon:1\.18\.22 +\S+ k?B +/);
  });
});
