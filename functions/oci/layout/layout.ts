import { FactoryError } from '../../errors.ts';
import { type Referrers, referrerLimits } from '../registry/referrers.ts';
import type { Source } from '../registry/source.ts';
import { type Digest, isDigest } from '../spec/digest.ts';
import { type Descriptor, type Manifest, manifestLimits, parseManifest } from '../spec/manifest.ts';
import { isManifestType, mediaTypes } from '../spec/media-type.ts';
import { parseReference, type Reference } from '../spec/reference.ts';
import { isObject, parseJson } from '../../text/json.ts';
import { type LayoutFiles, layoutInvalid, readSmall } from './layout-files.ts';
import { TextSyntaxError } from '../../text/text-syntax-error.ts';

/** Content of `oci-layout` (image-layout.md). */
export const layoutVersion = '{"imageLayoutVersion":"1.0.0"}';

/** The annotations by which tools name an image of a layout. */
export const nameAnnotations = ['org.opencontainers.image.ref.name', 'io.containerd.image.name'] as const;

/** An image as `index.json` lists it. */
export interface LayoutImage {
  readonly descriptor: Descriptor;
  /** As given: a tag or a full reference; absent for a referrer, or for an image that goes by its digest. */
  readonly name?: string;
  /** The full reference that the name is. */
  readonly reference?: Reference;
}

/** Returns the path of a blob in a layout. */
export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** An image layout (image-layout.md) that this or another tool wrote. Nothing in it is trusted. */
export class Layout {
  readonly files: LayoutFiles;
  readonly images: readonly LayoutImage[];
  #referrers: Promise<ReadonlyMap<Digest, readonly Descriptor[]>> | undefined;

  private constructor(files: LayoutFiles, images: readonly LayoutImage[]) {
    this.files = files;
    this.images = images;
  }

  /** Reads `oci-layout` and `index.json`. Throws `BundleInvalid`. */
  static async open(files: LayoutFiles, signal?: AbortSignal): Promise<Layout> {
    const version = await readSmall(files, 'oci-layout', 4_096, signal);
    if (!isLayoutVersion(version)) throw layoutInvalid(files.placeOf('oci-layout'), 'it is no image layout 1.0.0');
    const index = await readSmall(files, 'index.json', manifestLimits.bytes, signal);
    try {
      return new Layout(files, parseManifest(index, mediaTypes.ociIndex).manifests.map(imageOf));
    } catch (cause) {
      if (!(cause instanceof FactoryError)) throw cause;
      throw layoutInvalid(files.placeOf('index.json'), cause.message, cause);
    }
  }

  /** Returns an image of the layout as a source of copies. Without a repository, every name counts. */
  source(repository?: Pick<Reference, 'registry' | 'repository'>): Source {
    return {
      registry: undefined,
      isLocal: this.files.isLocal,
      manifest: async (tagOrDigest, signal) => {
        const digest = this.#find(tagOrDigest, repository);
        if (digest === undefined) throw this.#absent(tagOrDigest);
        return this.manifest(digest, signal);
      },
      digestOf: async (tagOrDigest) => {
        const digest = this.#find(tagOrDigest, repository);
        return digest !== undefined && (await this.files.size(blobPath(digest))) !== undefined ? digest : undefined;
      },
      blob: (blob, options) => this.#blob(blob, options),
      referrers: async (subject, { signal } = {}) => this.#referrersOf(subject, signal),
      mismatch: ({ digest }, got) => layoutInvalid(this.files.placeOf(blobPath(digest)), `it arrived as ${got}`),
    };
  }

  /** Reads a manifest. Throws `ImageNotFound`, `BundleInvalid`, `ManifestInvalid`. */
  async manifest(digest: Digest, signal?: AbortSignal): Promise<Manifest> {
    const path = blobPath(digest);
    if ((await this.files.size(path)) === undefined) throw this.#absent(digest);
    const bytes = await readSmall(this.files, path, manifestLimits.bytes, signal);
    const listed = this.images.find(({ descriptor }) => descriptor.digest === digest);
    try {
      return parseManifest(bytes, listed?.descriptor.mediaType, digest);
    } catch (cause) {
      if (!(cause instanceof FactoryError) || cause.name !== 'DigestMismatch') throw cause;
      throw layoutInvalid(this.files.placeOf(path), 'it has bytes of another digest', cause);
    }
  }

  /** Finds what a tag or digest means: a name may be a tag, or a full reference of the repository. */
  #find(tagOrDigest: string, repository?: Pick<Reference, 'registry' | 'repository'>): Digest | undefined {
    if (isDigest(tagOrDigest)) return tagOrDigest;
    const named = this.images.filter(({ name, reference }) => {
      if (reference === undefined) return name === tagOrDigest;
      const isHere =
        repository === undefined ||
        (reference.registry === repository.registry && reference.repository === repository.repository);
      return isHere && reference.tag === tagOrDigest;
    });
    // A full reference says more than a tag, which another repository may have too.
    const best = named.find(({ reference }) => reference !== undefined) ?? named[0];
    const others = named.filter((image) => (image.reference === undefined) === (best?.reference === undefined));
    if (new Set(others.map(({ descriptor }) => descriptor.digest)).size > 1)
      throw layoutInvalid(this.files.placeOf('index.json'), `it has several images with the name ${tagOrDigest}`);
    return best?.descriptor.digest;
  }

  async *#blob(
    { digest, size }: Descriptor,
    { start = 0, signal }: { start?: number; signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const path = blobPath(digest);
    const there = await this.files.size(path);
    if (there === undefined) throw this.#absent(digest);
    if (there !== size)
      throw layoutInvalid(this.files.placeOf(path), `it has ${there} bytes, its manifest says ${size}`);
    yield* this.files.read(path, start, signal);
  }

  async #referrersOf(subject: Digest, signal?: AbortSignal): Promise<Referrers> {
    this.#referrers ??= this.#readReferrers(signal);
    const known = (await this.#referrers).get(subject) ?? [];
    const fallback = this.#find(subject.replace(':', '-'));
    const listed = fallback === undefined ? [] : (await this.manifest(fallback, signal)).manifests;
    const artifacts = [...new Map([...known, ...listed].map((artifact) => [artifact.digest, artifact])).values()];
    const { artifacts: most } = referrerLimits;
    return { artifacts: artifacts.slice(0, most), truncated: artifacts.length > most };
  }

  /** Reads the manifests that `index.json` lists, and collects those with a subject. */
  async #readReferrers(signal?: AbortSignal): Promise<Map<Digest, Descriptor[]>> {
    const found = new Map<Digest, Descriptor[]>();
    const digests = new Set(
      this.images.flatMap(({ descriptor }) => (isManifestType(descriptor.mediaType) ? descriptor.digest : [])),
    );
    for (const digest of digests) {
      if ((await this.files.size(blobPath(digest))) === undefined) continue;
      const manifest = await this.manifest(digest, signal);
      const subject = manifest.subject?.digest;
      if (subject !== undefined) found.set(subject, [...(found.get(subject) ?? []), artifactOf(manifest)]);
    }
    return found;
  }

  #absent(tagOrDigest: string): FactoryError {
    return new FactoryError('ImageNotFound', `${this.files.name} has no ${tagOrDigest}`, {
      hint: 'Compare with the index.json of the layout: it lists what is there.',
    });
  }
}

/** Describes an artifact as the referrers API does (distribution-spec, "Listing Referrers"). */
export function artifactOf({ bytes, digest, mediaType, blobs }: Manifest): Descriptor {
  const document = parseJson(new TextDecoder().decode(bytes));
  const { artifactType, annotations } = isObject(document) ? document : {};
  const type = typeof artifactType === 'string' ? artifactType : blobs[0]?.mediaType;
  const texts = isObject(annotations) ? Object.entries(annotations) : [];
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(type !== undefined && { artifactType: type }),
    ...(texts.length > 0 && {
      annotations: Object.fromEntries(texts.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    }),
  };
}

function isLayoutVersion(bytes: Buffer): boolean {
  try {
    const document = parseJson(bytes.toString());
    return isObject(document) && document['imageLayoutVersion'] === '1.0.0';
  } catch {
    return false;
  }
}

function imageOf(descriptor: Descriptor): LayoutImage {
  const names = nameAnnotations.flatMap((key) => descriptor.annotations?.[key] ?? []);
  const references = names.flatMap((name) => referenceOf(name) ?? []);
  const [name] = names;
  const [reference] = references;
  return { descriptor, ...(name !== undefined && { name }), ...(reference && { reference }) };
}

/** Returns the reference that a name is; `undefined` for a tag, and for a name of no known form. */
function referenceOf(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch (error) {
    if (error instanceof TextSyntaxError) return undefined;
    throw error;
  }
}
