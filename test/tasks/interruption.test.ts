import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Factory, k8Images, startFactory, statuses } from './factory.ts';

const before = { gitCloneTag: 'harness/drone-git:1.5.0' };
let factory: Factory;
let interruption: AbortController;
beforeEach(async () => {
  interruption = new AbortController();
  factory = await startFactory();
  const account = factory.harness.state[factory.harness.accountId];
  if (account) account.ci.K8 = { ...before };
});
afterEach(() => factory.close());

/** Interrupts when a document is written whose key ends so. */
function interruptAt(end: string): void {
  factory.store.onPut = (key) => {
    if (key.endsWith(end)) interruption.abort();
  };
}

it.each(['before it began', 'while copying', 'after the plan', 'after the snapshot', 'between update and verify'])(
  'a run interrupted %s leaves Harness as it was, and says so',
  async (when) => {
    if (when === 'before it began') interruption.abort();
    if (when === 'after the plan') interruptAt('/plan.json');
    if (when === 'after the snapshot') interruptAt('/snapshot.json');
    if (when === 'between update and verify') interruptAt('/config.json');
    const onImageProgress = when === 'while copying' ? () => interruption.abort() : () => undefined;
    const report = await factory.sync({ max_concurrency: 1 }, { signal: interruption.signal, onImageProgress });
    expect(report.status).toBe('FAILED');
    expect(report.error?.name).toBe('Interrupted');
    expect(factory.overrides()).toEqual(before);
    expect(Object.values(statuses(report))).not.toContain('updated');
    if (when === 'while copying') expect(report.totals.copied).toBeLessThan(k8Images.length);
    if (when === 'between update and verify')
      expect(statuses(report)).toMatchObject({ 'ci K8 addonTag': 'rolled-back' });
  },
);

it('a write that Harness is still carrying out is waited for, then put back', async () => {
  factory.harness.quirks.lostUpdateRaceMs = 50;
  const timer = setInterval(() => {
    if (factory.writes().length > 0) interruption.abort();
  }, 1);
  const report = await factory.sync({}, { signal: interruption.signal });
  clearInterval(timer);
  expect(report.error?.name).toBe('Interrupted');
  // The interrupted write has had the time to be stored after all.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(factory.overrides()).toEqual(before);
});

it('switches nothing after an interruption, even with update-succeeded', async () => {
  const report = await factory.sync(
    { on_partial_failure: 'update-succeeded', max_concurrency: 1 },
    { signal: interruption.signal, onImageProgress: () => interruption.abort() },
  );
  expect(report.error?.name).toBe('Interrupted');
  expect(factory.overrides()).toEqual(before);
});

describe('the run after an interrupted one', () => {
  it('finds the copies of an interrupted run, and succeeds', async () => {
    await factory.sync(
      { max_concurrency: 1 },
      { signal: interruption.signal, onImageProgress: () => interruption.abort() },
    );
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(factory.arrived(k8Images[0] as string)).toBe(factory.official(k8Images[0] as string));
  });
});
