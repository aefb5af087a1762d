import { afterEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { plan } from '../../functions/plan/plan.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, k8Images, startFactory } from './factory.ts';

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
