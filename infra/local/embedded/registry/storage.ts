import { digestOf } from './reference.ts';
import { parseManifest, type ManifestContent } from './manifest-content.ts';

export interface Blob {
  readonly digest: string;
  readonly size: number;
  readonly chunks: readonly Buffer[];
}

export interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
  /** Verbatim, as pushed. */
  readonly bytes: Buffer;
  /** `undefined` when the bytes are no manifest at all, which only a test can have put here. */
  readonly content: ManifestContent | undefined;
}

/** A whole image: its manifest, the blobs of that manifest, and the children when it is an index. */
export interface Image {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** Blobs by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly children: readonly Image[];
}

interface Repository {
  readonly blobs: Set<string>;
  readonly manifests: Map<string, Manifest>;
  readonly tags: Map<string, string>;
}

/**
 * The content of the registry, in memory. Blob content is kept once, however many repositories link it. Nothing is
 * checked here: tests use this class to put things that the API would refuse.
 */
export class Storage {
  readonly #repositories = new Map<string, Repository>();
  readonly #content = new Map<string, Blob>();

  repositories(): string[] {
    return [...this.#repositories.keys()].toSorted();
  }

  hasRepository(name: string): boolean {
    return this.#repositories.has(name);
  }

  createRepository(name: string): void {
    this.#repository(name);
  }

  deleteRepository(name: string): void {
    this.#repositories.delete(name);
  }

  /** Tags in lexical order; empty for an unknown repository. */
  tags(name: string): string[] {
    return [...(this.#repositories.get(name)?.tags.keys() ?? [])].toSorted();
  }

  resolve(name: string, tag: string): string | undefined {
    return this.#repositories.get(name)?.tags.get(tag);
  }

  tag(name: string, tag: string, digest: string): void {
    this.#repository(name).tags.set(tag, digest);
  }

  deleteTag(name: string, tag: string): boolean {
    return this.#repositories.get(name)?.tags.delete(tag) ?? false;
  }

  manifest(name: string, reference: string): Manifest | undefined {
    const repository = this.#repositories.get(name);
    return repository?.manifests.get(repository.tags.get(reference) ?? reference);
  }

  manifests(name: string): Manifest[] {
    return [...(this.#repositories.get(name)?.manifests.values() ?? [])];
  }

  /** Keeps the bytes under `digest`, by default their sha256. */
  putManifest(name: string, mediaType: string, bytes: Buffer, digest = digestOf([bytes])): Manifest {
    const manifest = { digest, mediaType, bytes, content: contentOf(bytes) };
    this.#repository(name).manifests.set(digest, manifest);
    return manifest;
  }

  /** Removes the manifest and every tag that points at it. */
  deleteManifest(name: string, digest: string): boolean {
    const repository = this.#repositories.get(name);
    if (!repository?.manifests.delete(digest)) return false;
    for (const [tag, target] of repository.tags) if (target === digest) repository.tags.delete(tag);
    return true;
  }

  blob(name: string, digest: string): Blob | undefined {
    return this.#repositories.get(name)?.blobs.has(digest) ? this.#content.get(digest) : undefined;
  }

  blobs(name: string): string[] {
    return [...(this.#repositories.get(name)?.blobs ?? [])].toSorted();
  }

  /** The first repository, in lexical order, that links the blob. */
  repositoryOfBlob(digest: string): string | undefined {
    return this.repositories().find((name) => this.#repositories.get(name)?.blobs.has(digest));
  }

  /** Returns whether a manifest in the repository points at the blob. */
  isReferenced(name: string, digest: string): boolean {
    return this.manifests(name).some((manifest) => manifest.content?.blobs.includes(digest));
  }

  /** Keeps the chunks under `digest`, by default their sha256. */
  putBlob(name: string, content: Buffer | readonly Buffer[], digest?: string): Blob {
    const chunks = Buffer.isBuffer(content) ? [content] : content;
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const blob = { digest: digest ?? digestOf(chunks), size, chunks };
    if (this.#content.get(blob.digest)?.size !== size) this.#content.set(blob.digest, blob);
    this.#repository(name).blobs.add(blob.digest);
    return blob;
  }

  /** Links a blob that another repository holds: what a mount does. */
  linkBlob(name: string, digest: string): void {
    if (this.#content.has(digest)) this.#repository(name).blobs.add(digest);
  }

  deleteBlob(name: string, digest: string): boolean {
    const deleted = this.#repositories.get(name)?.blobs.delete(digest) ?? false;
    if (deleted && this.repositoryOfBlob(digest) === undefined) this.#content.delete(digest);
    return deleted;
  }

  /** Puts a whole image, children first, and tags it when a tag is given. */
  putImage(name: string, tag: string | undefined, image: Image): void {
    for (const child of image.children) this.putImage(name, undefined, child);
    for (const [digest, content] of image.blobs) this.putBlob(name, content, digest);
    this.putManifest(name, image.mediaType, image.bytes, image.digest);
    if (tag !== undefined) this.tag(name, tag, image.digest);
  }

  #repository(name: string): Repository {
    let repository = this.#repositories.get(name);
    if (!repository) {
      repository = { blobs: new Set(), manifests: new Map(), tags: new Map() };
      this.#repositories.set(name, repository);
    }
    return repository;
  }
}

function contentOf(bytes: Buffer): ManifestContent | undefined {
  try {
    return parseManifest(bytes);
  } catch {
    return undefined;
  }
}
