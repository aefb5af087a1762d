import { BucketObject } from '../aws/bucket-object.ts';
import { objectSource, writeObject } from '../aws/bundle-object.ts';
import { parseBundleAddress, type TarSource } from '../bundle/carrier.ts';
import { openBundle } from '../bundle/open-bundle.ts';
import { billOfMaterials } from '../bundle/sbom.ts';
import { verifyBundle } from '../bundle/verify-bundle.ts';
import type { Bundles } from '../runtime/bundles.ts';
import type { RuntimeParts } from '../runtime/runtime.ts';

/** Opens and writes the bundles in the bucket of the deployment, for the tasks that need them. */
export function bundles(): Pick<RuntimeParts, 'bundles'> {
  return { bundles: inBucket };
}

const inBucket: Bundles = {
  open: async (address, signal) => openBundle(await sourceOf(address, signal), signal),
  async verify(address, options) {
    const { reader, companions } = await sourceOf(address, options.signal);
    return verifyBundle({ reader }, { ...options, companions });
  },
  write: async (plan, address, options) =>
    writeObject(plan, objectAt(address), {
      ...options,
      accompany: async (document) => new Map([['sbom.cdx.json', billOfMaterials(document)]]),
    }),
};

function sourceOf(address: string, signal: AbortSignal | undefined): Promise<TarSource> {
  return objectSource(objectAt(address), signal);
}

function objectAt(address: string): BucketObject {
  const place = parseBundleAddress(address);
  if (place.kind !== 's3') throw new TypeError(`${address} is no object in a bucket`);
  return new BucketObject(place.bucket, place.key);
}
