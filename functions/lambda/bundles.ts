import { BucketObject } from '../aws/bucket-object.ts';
import { objectSource, writeObject } from '../aws/bundle-object.ts';
import { parseBundleAddress, type TarSource } from '../bundle/carrier.ts';
import { encodeDocument } from '../bundle/document.ts';
import { openBundle } from '../bundle/open-bundle.ts';
import { billOfMaterials } from '../bundle/sbom.ts';
import { type BundleSigner, VerifyKey } from '../bundle/signature.ts';
import { verifyBundle } from '../bundle/verify-bundle.ts';
import type { Bundles } from '../runtime/bundles.ts';
import type { RuntimeParts } from '../runtime/runtime.ts';
import type { Environment } from '../settings/configuration.ts';

/**
 * Opens and writes the bundles in the bucket of the deployment, for the tasks that need them. With BUNDLE_VERIFY_KEY, a
 * bundle without a signature of that key is refused. `signer` signs what is written.
 *
 * @throws {FactoryError} `InvalidConfiguration` for a wrong BUNDLE_VERIFY_KEY.
 */
export function bundles({ BUNDLE_VERIFY_KEY: pem }: Environment, signer?: BundleSigner): Pick<RuntimeParts, 'bundles'> {
  const verifyKey = pem ? new VerifyKey(pem, 'BUNDLE_VERIFY_KEY') : undefined;
  const inBucket: Bundles = {
    async open(address, signal) {
      const source = await sourceOf(address, signal);
      const bundle = await openBundle(source, signal);
      await verifyKey?.check(bundle.documentBytes, source.companions, address);
      return bundle;
    },
    async verify(address, options) {
      const { reader, companions } = await sourceOf(address, options.signal);
      return verifyBundle(
        { reader },
        {
          ...options,
          companions,
          onOpen: async ({ documentBytes }) => verifyKey?.check(documentBytes, companions, address),
        },
      );
    },
    write: async (plan, address, options) =>
      writeObject(plan, objectAt(address), {
        ...options,
        accompany: async (document) =>
          new Map([
            ['sbom.cdx.json' as const, new Uint8Array(billOfMaterials(document))],
            ...(signer ? [['sig' as const, await signer.sign(encodeDocument(document), options.signal)] as const] : []),
          ]),
      }),
  };
  return { bundles: inBucket };
}

function sourceOf(address: string, signal: AbortSignal | undefined): Promise<TarSource> {
  return objectSource(objectAt(address), signal);
}

function objectAt(address: string): BucketObject {
  const place = parseBundleAddress(address);
  if (place.kind !== 's3') throw new TypeError(`${address} is no object in a bucket`);
  return new BucketObject(place.bucket, place.key);
}
