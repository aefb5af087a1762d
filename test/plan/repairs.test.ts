import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Factory, k8Images, startFactory } from '../tasks/factory.ts';

let factory: Factory;
beforeAll(async () => {
  factory = await startFactory({ samples: {} });
  await factory.sync();
});
afterAll(() => factory.close());

interface Place {
  repository: string;
  digest: string;
}

/** Everything at the target below the tags: what a cleanup can take without touching one of them. */
function pieces(): Place[] {
  const { storage } = factory.target;
  return storage.repositories().flatMap((repository) => {
    const tagged = new Set(storage.tags(repository).map((tag) => storage.resolve(repository, tag)));
    const children = storage.manifests(repository).flatMap(({ digest }) => (tagged.has(digest) ? [] : digest));
    return [...children, ...storage.blobs(repository)].map((digest) => ({ repository, digest }));
  });
}

const isThere = ({ repository, digest }: Place) => {
  const { storage } = factory.target;
  return storage.blob(repository, digest) !== undefined || storage.manifest(repository, digest) !== undefined;
};

it('lists every loss below the tags in verify, and restores all of it in sync under the same digests', async () => {
  const all = pieces();
  const digests = k8Images.map((image) => factory.arrived(image));
  const { storage } = factory.target;
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(all.length - 1), { minLength: 1 }), async (picks) => {
      const lost = picks.flatMap((pick) => all[pick] ?? []);
      for (const { repository, digest } of lost) {
        storage.deleteBlob(repository, digest);
        storage.deleteManifest(repository, digest);
      }
      const { incomplete = [] } = await factory.run('verify');
      const named = incomplete.flatMap(({ reference, missing }) => {
        const repository = reference.slice(reference.indexOf('/') + 1, reference.lastIndexOf(':'));
        return missing.map(({ digest }) => `${repository} ${digest}`);
      });
      expect(new Set(named)).toEqual(new Set(lost.map(({ repository, digest }) => `${repository} ${digest}`)));
      const report = await factory.sync();
      expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { repaired: incomplete.length, failed: 0 } });
      expect(all.filter((place) => !isThere(place))).toEqual([]);
      expect(k8Images.map((image) => factory.arrived(image))).toEqual(digests);
    }),
    { numRuns: 12 },
  );
});
