import { findBlob } from './blobs.ts';
import { assertDigest, assertPushable } from './checks.ts';
import type { Context } from './context.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { parseManifest, type ManifestContent } from './manifest-content.ts';
import { algorithmOf, digestOf, isDigest, isTag } from './reference.ts';

/** The least a registry must take (distribution-spec, "Pushing Manifests"), and what most take. */
const defaultMaxBytes = 4 * 1024 * 1024;

/** `/v2/<name>/manifests/<reference>` (end-3, end-7, end-9) */
export async function serveManifest(
  context: Context,
  exchange: Exchange,
  name: string,
  reference: string,
): Promise<void> {
  if (!isTag(reference) && !isDigest(reference)) {
    throw exchange.method === 'PUT'
      ? new RegistryError(400, 'MANIFEST_INVALID', 'invalid reference')
      : new RegistryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown');
  }
  switch (exchange.method) {
    case 'PUT':
      return await putManifest(context, exchange, name, reference);
    case 'DELETE':
      return await deleteManifest(context, exchange, name, reference);
    default:
      return await getManifest(context, exchange, name, reference);
  }
}

async function getManifest(context: Context, exchange: Exchange, name: string, reference: string): Promise<void> {
  const { quirks, storage, rateLimit } = context;
  rateLimit.pull(exchange);
  const manifest = storage.manifest(name, reference);
  if (!manifest || (quirks.honourAccept && !accepts(exchange, manifest.mediaType))) {
    throw manifestUnknown(context, name, reference);
  }
  const headers: Record<string, string> = { 'content-type': manifest.mediaType, etag: `"${manifest.digest}"` };
  if (!quirks.noContentDigest) headers['docker-content-digest'] = manifest.digest;
  const hidden = exchange.method === 'HEAD' && quirks.unreliableManifestHead;
  await exchange.reply(200, headers, hidden ? [] : [manifest.bytes]);
}

async function putManifest(context: Context, exchange: Exchange, name: string, reference: string): Promise<void> {
  const { quirks, storage, rateLimit } = context;
  assertPushable(name, context);
  rateLimit.push();
  if (!isTag(reference)) assertDigest(reference, quirks);
  if (quirks.requireContentLengthOnManifestPut && exchange.contentLength === undefined) {
    throw new RegistryError(411, 'SIZE_INVALID', 'Length Required');
  }
  const bytes = await exchange.readBody(quirks.maxManifestBytes ?? defaultMaxBytes);
  const contentType = exchange.header('content-type')?.split(';')[0]?.trim();
  const content = parsed(bytes);
  const mediaType = contentType ?? (quirks.requireManifestContentType ? undefined : content.mediaType);
  if (mediaType === undefined || (content.mediaType ?? mediaType) !== mediaType) {
    throw new RegistryError(400, 'MANIFEST_INVALID', 'Content-Type is missing or differs from mediaType');
  }
  const digest = digestOf([bytes], algorithmOf(reference));
  if (isDigest(reference) && digest !== reference) {
    throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  }
  if (!quirks.acceptDangling) assertReferences(context, name, content);
  if (content.subject !== undefined && quirks.rejectSubject !== undefined) {
    throw new RegistryError(quirks.rejectSubject, 'UNSUPPORTED', 'manifests with a subject are not supported');
  }
  if (!isDigest(reference)) assertTagFree(context, name, reference, digest);
  storage.putManifest(name, mediaType, bytes, digest);
  if (!isDigest(reference)) storage.tag(name, reference, digest);
  await exchange.reply(201, {
    ...(!quirks.noManifestLocation && { location: `/v2/${name}/manifests/${digest}` }),
    ...(!quirks.noContentDigest && { 'docker-content-digest': digest }),
    ...(content.subject !== undefined && !quirks.noReferrers && { 'oci-subject': content.subject }),
  });
}

async function deleteManifest(context: Context, exchange: Exchange, name: string, reference: string): Promise<void> {
  const { quirks, storage } = context;
  if (quirks.noDelete) throw new RegistryError(405, 'UNSUPPORTED', 'deletion is disabled');
  const deleted = isDigest(reference)
    ? deleteDigest(context, name, reference)
    : deleteTag(context, name, reference, storage.resolve(name, reference));
  if (!deleted) throw manifestUnknown(context, name, reference);
  await exchange.reply(202);
}

function deleteDigest({ quirks, storage }: Context, name: string, digest: string): boolean {
  const tag = storage.tags(name).find((candidate) => storage.resolve(name, candidate) === digest);
  if (quirks.tagsFirst && tag !== undefined)
    throw new RegistryError(400, 'GOOGLE_MANIFEST_DANGLING_TAG', `Manifest is still referenced by tag: ${tag}`);
  return storage.deleteManifest(name, digest);
}

function deleteTag({ quirks, storage }: Context, name: string, tag: string, digest = ''): boolean {
  switch (quirks.deleteTag) {
    case 'refused':
      throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
    case 'unsupported':
      throw new RegistryError(405, 'UNSUPPORTED', 'the operation is unsupported');
    case 'manifest':
      return storage.deleteManifest(name, digest);
    default:
      return storage.deleteTag(name, tag);
  }
}

function parsed(bytes: Buffer): ManifestContent {
  try {
    return parseManifest(bytes);
  } catch (error) {
    const detail = error instanceof Error ? error.message : undefined;
    throw new RegistryError(400, 'MANIFEST_INVALID', 'manifest invalid', { detail });
  }
}

/** A subject may be missing (distribution-spec, "Pushing Manifests with Subject"); blobs and children may not. */
function assertReferences(context: Context, name: string, content: ManifestContent): void {
  const { quirks, storage } = context;
  const blob = content.blobs.find((digest) => !findBlob(context, name, digest));
  const child = content.children.find((digest) => !storage.manifest(name, digest));
  if (child !== undefined && quirks.childrenMustExist) {
    const message = `Images with digests [${child}] required for pushing image into repository do not exist`;
    throw new RegistryError(404, 'ReferencedImagesNotFound', message);
  }
  const missing = blob ?? child;
  if (missing === undefined) return;
  const message = 'manifest references a manifest or blob unknown to registry';
  throw new RegistryError(404, 'MANIFEST_BLOB_UNKNOWN', message, { detail: { digest: missing } });
}

function assertTagFree({ quirks, storage }: Context, name: string, tag: string, digest: string): void {
  const present = storage.resolve(name, tag);
  if (!quirks.immutableTags || present === undefined || present === digest) return;
  const { status = 400, code = 'ImageTagAlreadyExists' } = quirks.immutableTags;
  const message = `The image tag '${tag}' already exists in the '${name}' repository and cannot be overwritten`;
  throw new RegistryError(status, code, message);
}

function accepts(exchange: Exchange, mediaType: string): boolean {
  const types = (exchange.header('accept') ?? '*/*').split(',').map((type) => type.split(';')[0]?.trim());
  return types.some((type) => type === mediaType || type === '*/*');
}

function manifestUnknown({ quirks, storage }: Context, name: string, reference: string): RegistryError {
  if (quirks.forbiddenForMissing) return new RegistryError(403, 'DENIED', 'The requested resource is forbidden');
  const unknownName = !storage.hasRepository(name);
  const code = quirks.missingManifestCode ?? (unknownName ? 'NAME_UNKNOWN' : 'MANIFEST_UNKNOWN');
  return new RegistryError(404, code, `${name}:${reference} not found`, { detail: { name, reference } });
}
