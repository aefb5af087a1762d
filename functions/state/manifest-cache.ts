import type { Digest } from '../oci/spec/digest.ts';
import { type Manifest, parseManifest } from '../oci/spec/manifest.ts';
import { type ObjectStore, putJson } from './object-store.ts';
import { asWritten } from './schema.ts';

/**
 * A cache of manifests by digest, kept between tasks and runs. A copy does not read again what the plan has read,
 * because Docker Hub counts every manifest GET as a pull.
 */
export class ManifestCache {
  readonly #store: ObjectStore;
  readonly #read = new Map<Digest, Manifest>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Returns the manifest of a digest from the cache, or from `fetch` when the cache does not have it. */
  async through(digest: Digest, fetch: () => Promise<Manifest>): Promise<Manifest> {
    const known = await this.find(digest);
    if (known) return known;
    const manifest = await fetch();
    await this.put(manifest);
    return manifest;
  }

  async find(digest: Digest): Promise<Manifest | undefined> {
    return this.#read.get(digest) ?? this.#stored(digest);
  }

  async put(manifest: Manifest): Promise<void> {
    this.#read.set(manifest.digest, manifest);
    const { mediaType, bytes } = manifest;
    await putJson(this.#store, keyOf(manifest.digest), asWritten(), {
      mediaType,
      bytes: Buffer.from(bytes).toString('base64'),
    });
  }

  async #stored(digest: Digest): Promise<Manifest | undefined> {
    const body = await this.#store.get(keyOf(digest));
    if (!body) return undefined;
    try {
      const { mediaType, bytes } = JSON.parse(new TextDecoder().decode(body)) as { mediaType: string; bytes: string };
      const manifest = parseManifest(Buffer.from(bytes, 'base64'), mediaType, digest);
      this.#read.set(digest, manifest);
      return manifest;
    } catch {
      // Damaged: the manifest from the registry replaces it.
      return undefined;
    }
  }
}

function keyOf(digest: Digest): string {
  return `manifests/${digest.replace(':', '-')}.json`;
}
