import type { Digest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { getJson, putJson } from '../store/object-store.ts';

/**
 * Manifests by digest, kept between tasks and runs: what the plan read, no copy reads again (Docker Hub counts every
 * manifest GET as a pull), and a digest never changes its meaning.
 */
export class ManifestCache {
  readonly #store: ObjectStore;
  readonly #read = new Map<Digest, Manifest>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** The manifest of that digest, got by `fetch` when it is not known yet. What the store holds is checked. */
  async through(digest: Digest, fetch: () => Promise<Manifest>): Promise<Manifest> {
    const known = this.#read.get(digest) ?? (await this.#stored(digest));
    if (known) return known;
    const manifest = await fetch();
    await this.put(manifest);
    return manifest;
  }

  async put(manifest: Manifest): Promise<void> {
    this.#read.set(manifest.digest, manifest);
    const { mediaType, bytes } = manifest;
    await putJson(this.#store, keyOf(manifest.digest), { mediaType, bytes: Buffer.from(bytes).toString('base64') });
  }

  async #stored(digest: Digest): Promise<Manifest | undefined> {
    const stored = await getJson<{ mediaType: string; bytes: string }>(this.#store, keyOf(digest));
    if (!stored) return undefined;
    const manifest = parseManifest(Buffer.from(stored.bytes, 'base64'), stored.mediaType, digest);
    this.#read.set(digest, manifest);
    return manifest;
  }
}

function keyOf(digest: Digest): string {
  return `manifests/${digest.replace(':', '-')}.json`;
}
