import { FactoryError } from '../../errors.ts';
import { reasonText } from '../../http/reason-text.ts';
import { type Digest, digestOf, parseDigest } from './digest.ts';
import { isIndexType, isManifestType, isNondistributable, isSchema1, mediaTypes } from './media-type.ts';
import type { Platform } from './platform.ts';
import { isObject, parseJson } from '../../text/json.ts';
import { printable } from '../../text/printable.ts';

/** A pointer to content (image-spec descriptor.md), as far as copying needs it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  /** URLs of a non-distributable layer. */
  readonly urls?: readonly string[];
  readonly artifactType?: string;
}

/** Returns whether clients get a layer from the addresses in its descriptor, as they do Windows base layers. */
export function isLeftAtItsUrls({ mediaType, urls = [] }: Pick<Descriptor, 'mediaType' | 'urls'>): boolean {
  return isNondistributable(mediaType) && urls.length > 0;
}

/** A manifest of any kind: its bytes exactly as served, and the content they refer to. */
export interface Manifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  /** Child manifests of an index; empty otherwise. */
  readonly manifests: readonly Descriptor[];
  /** Config and layers of an image, or the blobs of an artifact; empty for an index. */
  readonly blobs: readonly Descriptor[];
  readonly subject: Descriptor | undefined;
}

/**
 * Bounds on what a registry may serve, so that a hostile one cannot exhaust memory. Registries must take manifests of
 * 4 MiB (distribution-spec, "Pushing Manifests"), and none of the large ones accepts more.
 */
export const manifestLimits = {
  /** Bytes of one manifest. */
  bytes: 4 * 1024 * 1024,
  /** Bytes of the manifests of one image, over all levels. They are all in memory until they are pushed. */
  allBytes: 64 * 1024 * 1024,
  /** Manifests of one image, over all levels. */
  manifests: 2_000,
  /** Descriptors of one image, over all manifests. */
  descriptors: 20_000,
  /** Indexes inside indexes. */
  depth: 8,
};

/**
 * Reads a manifest. `contentType` decides its kind when the document does not (image-spec leaves `mediaType` optional).
 * Throws `ManifestInvalid` when it is malformed, `ManifestUnsupported` for Docker's schema 1 and unknown kinds.
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined, expected?: Digest): Manifest {
  const digest = digestOf(bytes, expected);
  const where = `manifest ${digest}`;
  if (expected !== undefined && digest !== expected) {
    throw new FactoryError('DigestMismatch', `requested manifest ${expected}, but received ${digest}`, {
      hint: 'Check the registry and the proxies in front of it: they serve wrong content. Nothing was written.',
    });
  }
  const document = documentOf(bytes, where);
  const mediaType = kindOf(document, contentType, where);
  if (isIndexType(mediaType)) {
    const manifests = descriptors(document['manifests'], `${where}.manifests`);
    return { mediaType, digest, bytes, manifests, blobs: [], subject: subjectOf(document, where) };
  }
  const blobs =
    mediaType === mediaTypes.ociArtifact
      ? descriptors(document['blobs'] ?? [], `${where}.blobs`)
      : [descriptor(document['config'], `${where}.config`), ...descriptors(document['layers'], `${where}.layers`)];
  return { mediaType, digest, bytes, manifests: [], blobs, subject: subjectOf(document, where) };
}

type Json = Record<string, unknown>;

function documentOf(bytes: Uint8Array, where: string): Json {
  try {
    const value: unknown = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isObject(value)) return value;
  } catch (cause) {
    const { isPage, text } = reasonText(Buffer.from(bytes.subarray(0, 4096)).toString(), undefined);
    throw isPage
      ? invalid(
          `${where} is not JSON, but ${text}`,
          cause,
          'Check the address of the registry: a login page or captive portal responded in its place.',
        )
      : invalid(`${where} is not JSON`, cause);
  }
  throw invalid(`${where} is not a JSON object`);
}

function kindOf(document: Json, contentType: string | undefined, where: string): string {
  const declared = document['mediaType'];
  const served = contentType?.split(';')[0]?.trim().toLowerCase();
  if (document['schemaVersion'] === 1 || (served !== undefined && isSchema1(served))) {
    throw new FactoryError('ManifestUnsupported', `${where} is a Docker schema 1 manifest`, {
      hint: 'Push the image again with a current tool: schema 1 was retired in 2017.',
    });
  }
  const mediaType = typeof declared === 'string' ? declared : served;
  refuseTwoKinds(document, [declared, served], where);
  if (mediaType !== undefined && isManifestType(mediaType)) return mediaType;
  if (declared === undefined) {
    if (document['manifests'] !== undefined) return mediaTypes.ociIndex;
    if (document['config'] !== undefined) return mediaTypes.ociManifest;
  }
  const unknown = mediaType === undefined ? 'no type' : `unknown type "${printable(mediaType)}"`;
  throw new FactoryError('ManifestUnsupported', `${where} is of ${unknown}`, {
    hint: 'Leave the image out: only Docker schema 2 and OCI manifests can be copied.',
  });
}

/** Refuses a document of two kinds, which two clients may read differently (CVE-2021-41190). */
function refuseTwoKinds(document: Json, types: readonly unknown[], where: string): void {
  const named = types.filter((type): type is string => typeof type === 'string' && isManifestType(type));
  const has = (...members: string[]) => members.some((member) => document[member] !== undefined);
  const isIndex = has('manifests') || named.some(isIndexType);
  const isImage = has('config', 'layers', 'blobs') || named.some((type) => !isIndexType(type));
  if (isIndex && isImage) throw invalid(`${where} is both an index and an image`);
}

function subjectOf(document: Json, where: string): Descriptor | undefined {
  return document['subject'] === undefined || document['subject'] === null
    ? undefined
    : descriptor(document['subject'], `${where}.subject`);
}

function descriptors(value: unknown, where: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${where} is not a list`);
  if (value.length > manifestLimits.descriptors) {
    throw invalid(`${where} lists ${value.length} descriptors; at most ${manifestLimits.descriptors} are accepted`);
  }
  return value.map((item, i) => descriptor(item, `${where}[${i}]`));
}

function descriptor(value: unknown, where: string): Descriptor {
  if (typeof value !== 'object' || value === null) throw invalid(`${where} is not a descriptor`);
  const { mediaType, digest, size, platform, annotations, urls, artifactType } = value as Json;
  if (typeof mediaType !== 'string') throw invalid(`${where}.mediaType is missing`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`${where}.size is not a size`);
  const known = platform as Partial<Platform> | undefined;
  return {
    mediaType,
    digest: parseDigest(digest, `${where}.digest`),
    size,
    ...(typeof known?.os === 'string' &&
      typeof known.architecture === 'string' && {
        platform: {
          os: known.os,
          architecture: known.architecture,
          ...(typeof known.variant === 'string' && { variant: known.variant }),
        },
      }),
    ...(typeof annotations === 'object' &&
      annotations !== null && { annotations: Object.fromEntries(Object.entries(annotations).filter(isText)) }),
    ...(Array.isArray(urls) && { urls: urls.filter((url): url is string => typeof url === 'string') }),
    ...(typeof artifactType === 'string' && { artifactType }),
  };
}

function isText(entry: [string, unknown]): entry is [string, string] {
  return typeof entry[1] === 'string';
}

const notAnImage = 'Compare with another source registry: this one served an invalid image.';

function invalid(message: string, cause?: unknown, hint = notAnImage): FactoryError {
  return new FactoryError('ManifestInvalid', message, { hint, cause });
}
