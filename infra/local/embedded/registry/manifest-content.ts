/** The fields of a manifest of any kind, and the digests it points at. All are optional: manifests are remote text. */
export interface ManifestContent {
  mediaType: string | undefined;
  /** Blobs that must be in the same repository; layers with `urls` live elsewhere and are not among them. */
  blobs: string[];
  /** Child manifests of an index or a manifest list. */
  children: string[];
  subject: string | undefined;
  /** The type that the referrers API filters by: `artifactType`, else the config's media type. */
  artifactType: string | undefined;
  annotations: Record<string, string> | undefined;
}

interface RawDescriptor {
  digest?: unknown;
  mediaType?: unknown;
  urls?: unknown;
}

interface RawManifest {
  mediaType?: unknown;
  artifactType?: unknown;
  annotations?: unknown;
  config?: RawDescriptor;
  layers?: RawDescriptor[];
  /** Blobs of the OCI artifact manifest, which was withdrawn before 1.1 but is still in use. */
  blobs?: RawDescriptor[];
  manifests?: RawDescriptor[];
  subject?: RawDescriptor;
}

/** Throws `TypeError` or `SyntaxError` when the bytes are not a JSON object of the shape of a manifest. */
export function parseManifest(bytes: Uint8Array): ManifestContent {
  const raw: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new TypeError('not a JSON object');
  const manifest = raw as RawManifest;
  const blobs = [manifest.config, ...list(manifest.layers), ...list(manifest.blobs)];
  return {
    mediaType: text(manifest.mediaType),
    blobs: blobs.flatMap((d) => (d === undefined || d.urls !== undefined ? [] : [digest(d)])),
    children: list(manifest.manifests).map(digest),
    subject: manifest.subject && digest(manifest.subject),
    artifactType: text(manifest.artifactType) ?? text(manifest.config?.mediaType),
    annotations: manifest.annotations as Record<string, string> | undefined,
  };
}

function list(value: RawDescriptor[] | undefined): RawDescriptor[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError('a list of descriptors is not an array');
  return value;
}

function digest(descriptor: RawDescriptor): string {
  if (typeof descriptor?.digest !== 'string') throw new TypeError('a descriptor has no digest');
  return descriptor.digest;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
