import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { plan } from '../../functions/plan/plan.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, k8Images, startFactory, statuses } from './factory.ts';

describe('an interruption', () => {
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
});

describe('waves', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  const KiB = 1024;
  /** A layer that is worth waiting for, of content that its number tells. */
  const layer = (n: number) => Buffer.alloc(100 * KiB, `layer ${n}`);
  const blobPath = /^\/v2\/mirror\/.+\/blobs\//;

  /** Bytes of blobs that the target received, and of those it holds, each once. */
  function received(): number {
    return factory.target.requests
      .filter(({ path }) => blobPath.test(path))
      .reduce((sum, { bytesIn }) => sum + bytesIn, 0);
  }

  function held(): number {
    const { storage } = factory.target;
    const blobs = new Map<string, number>();
    for (const repository of storage.repositories())
      for (const digest of storage.blobs(repository)) blobs.set(digest, storage.blob(repository, digest)?.size ?? 0);
    return [...blobs.values()].reduce((sum, size) => sum + size, 0);
  }

  describe('images that are copied each by a process of its own', () => {
    it('uploads every shared blob once, even where the images that upload them share some', async () => {
      // Each shares a layer with the next, in a circle of an odd number: two waves are not enough.
      factory = await startFactory();
      const sharing = Array.from({ length: 5 }, (_, i) => `acme/image-${i}:1`);
      sharing.forEach((_, i) => {
        factory.source.storage.putImage(`acme/image-${i}`, '1', storedImage([layer(i), layer((i + 1) % 5)]));
      });
      const { waves } = await factory.task(plan, { runId: 'run-1', input: { extra_images: sharing } });
      expect(waves.length).toBeGreaterThan(2);
      expect(waves.flat()).toHaveLength(k8Images.length + sharing.length);
      for (const wave of waves) {
        await Promise.all(wave.map((image) => factory.task(copy, { runId: 'run-1', image })));
      }
      for (const image of sharing) expect([image, factory.arrived(image)]).toEqual([image, factory.official(image)]);
      const { images } = await factory.document<{ images: { image: string; uniqueSize?: number }[] }>(
        'runs/run-1/plan.json',
      );
      const shared = images.filter(({ image }) => sharing.includes(image));
      expect(shared.reduce((sum, { uniqueSize = 0 }) => sum + uniqueSize, 0)).toBeGreaterThan(500 * KiB);
      const repeated = received() - held();
      // Of the samples' blobs, which are below what is worth a wave.
      expect(repeated).toBeLessThan(64 * KiB);
    });
  });

  describe('a plan', () => {
    it('refuses more copies than one execution can carry, before anything is copied', async () => {
      factory = await startFactory();
      const one = storedImage([Buffer.from('small')]);
      const names = Array.from({ length: 1_000 }, (_, i) => `acme/many:${i}`);
      names.forEach((_, i) => factory.source.storage.putImage('acme/many', `${i}`, one));
      const report = await factory.sync({ extra_images: names });
      expect(report.error).toMatchObject({ name: 'InvalidInput' });
      expect(report.error?.message).toContain(
        `${1_000 + k8Images.length} images must be copied; one run can copy at most 1000`,
      );
      expect(factory.target.storage.repositories()).toEqual([]);
    });

    it('refuses a prefix that makes names too long before any request to a registry', async () => {
      factory = await startFactory({ prefix: 'p'.repeat(240) });
      const report = await factory.run('plan');
      expect(report.error).toMatchObject({ name: 'InvalidInput', problems: [{ path: '$.registry' }] });
      expect([...factory.source.requests, ...factory.target.requests]).toEqual([]);
    });
  });
});
