import * as z from 'zod';
import type { Digest } from '../oci/spec/digest.ts';
import { type Manifest, parseManifest } from '../oci/spec/manifest.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';
import { versioned } from './schema.ts';

/** A document that cannot be read counts as none: the manifest from the registry replaces it. */
const schema = versioned({ content: z.object({ mediaType: z.string(), bytes: z.base64() }) });

/** Manifests by digest, kept between tasks and runs: Docker Hub counts every manifest GET as a pull. */
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
    await putJson(this.#store, keyOf(manifest.digest), schema, {
      mediaType,
      bytes: Buffer.from(bytes).toString('base64'),
    });
  }

  async #stored(digest: Digest): Promise<Manifest | undefined> {
    const stored = await getJson(this.#store, keyOf(digest), schema);
    if (!stored) return undefined;
    try {
      const manifest = parseManifest(Buffer.from(stored.bytes, 'base64'), stored.mediaType, digest);
      this.#read.set(digest, manifest);
      return manifest;
    } catch {
      // Damaged: it has another digest.
      return undefined;
    }
  }
}

function keyOf(digest: Digest): string {
  return `manifests/${digest.replace(':', '-')}.json`;
}
