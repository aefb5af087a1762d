import type { Digest } from '../oci/spec/digest.ts';
import { type Manifest, parseManifest } from '../oci/spec/manifest.ts';
import { type ObjectStore, putJson } from './object-store.ts';
import { asWritten } from './schema.ts';

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

  /** The manifest of that digest, got by `fetch` when it is not known yet, or stored as something else. */
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
      // Damaged. It is only a cache: the registry has the true one, which takes its place.
      return undefined;
    }
  }
}

function keyOf(digest: Digest): string {
  return `manifests/${digest.replace(':', '-')}.json`;
}
