import { assertDigest } from './checks.ts';
import type { Context } from './context.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { page } from './pages.ts';

/** `GET /v2/<name>/referrers/<digest>` (end-12a, end-12b): an index even when nothing refers to the digest. */
export async function listReferrers(context: Context, exchange: Exchange, name: string, digest: string): Promise<void> {
  const { storage, quirks } = context;
  if (quirks.noReferrers) throw new RegistryError(404, 'UNSUPPORTED', '404 page not found', { plainText: true });
  assertDigest(digest, quirks);
  const filter = exchange.url.searchParams.get('artifactType');
  const referrers = storage
    .manifests(name)
    .filter(({ content }) => content?.subject === digest && (filter === null || content.artifactType === filter))
    .toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  const { items, headers } = page(exchange, referrers, (manifest) => manifest.digest, quirks.referrersPageSize);
  const manifests = items.map((manifest) => ({
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    artifactType: manifest.content?.artifactType,
    annotations: manifest.content?.annotations,
  }));
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  await exchange.replyJson(
    200,
    { schemaVersion: 2, mediaType, manifests },
    { 'content-type': mediaType, ...(filter !== null && { 'oci-filters-applied': 'artifactType' }), ...headers },
  );
}
