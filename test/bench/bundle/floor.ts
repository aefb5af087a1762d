import { createHash, type Hash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inParallel } from '../../../functions/async/in-parallel.ts';
import { blobPath } from '../../../functions/oci/layout/layout.ts';
import { type Digest, digestOf } from '../../../functions/oci/spec/digest.ts';
import { acceptedManifests } from '../../../functions/oci/spec/media-type.ts';
import { connections } from '../bare-copy.ts';
import { connectWithUndici, disconnect } from '../undici-client.ts';
import type { BundleJob } from './works.ts';

interface Descriptor {
  digest: Digest;
}

interface Manifest {
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
}

/**
 * Does an export to a folder (a file, the first argument) with the least work: GET, SHA-256 and one write for each manifest
 * and blob. No retries, limits or other checks, no file synced, and no index.
 */
const job = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Omit<BundleJob, 'home'>;
const client = connectWithUndici(`${job.scheme}://${job.registry}`);
const fileOf = (digest: Digest) => join(job.bundle.path, blobPath(digest));

/** The digests that are known, so that each is read once. */
const known = new Set<string>();
const blobs: { repository: string; digest: Digest }[] = [];
let level: { repository: string; reference: string }[] = job.images.map(({ repository, tag: reference }) => ({
  repository,
  reference,
}));
await mkdir(dirname(fileOf(digestOf(Buffer.of()))), { recursive: true });
while (level.length > 0) {
  const next: typeof level = [];
  await inParallel(level, connections, undefined, async ({ repository, reference }) => {
    const bytes = await get(`/v2/${repository}/manifests/${reference}`, { accept: acceptedManifests });
    await writeFile(fileOf(digestOf(bytes)), bytes);
    const { config, layers = [], manifests = [] } = JSON.parse(bytes.toString()) as Manifest;
    next.push(...manifests.filter(isNew).map(({ digest }) => ({ repository, reference: digest })));
    const own = [...(config ? [config] : []), ...layers];
    blobs.push(...own.filter(isNew).map(({ digest }) => ({ repository, digest })));
  });
  level = next;
}
await inParallel(blobs, connections, undefined, async ({ repository, digest }) => {
  const { body } = await client({ method: 'GET', path: `/v2/${repository}/blobs/${digest}` });
  const hash = createHash('sha256');
  await writeFile(fileOf(digest), hashed(body, hash));
  if (`sha256:${hash.digest('hex')}` !== digest) throw new Error(`${digest} is wrong`);
});
await disconnect();

async function get(path: string, headers: Record<string, string>): Promise<Buffer> {
  const { status, body } = await client({ method: 'GET', path, headers });
  if (status !== 200) throw new Error(`${path}: HTTP ${status}`);
  return Buffer.concat(await body.toArray());
}

async function* hashed(body: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
}

function isNew({ digest }: Descriptor): boolean {
  const { size } = known;
  return known.add(digest).size > size;
}
