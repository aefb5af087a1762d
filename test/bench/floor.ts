import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Pool } from '../../functions/http/undici.ts';
import { acceptedManifests } from '../../functions/oci/media-type.ts';
import type { Job } from './peers.ts';

/**
 * The least that Node.js and undici take to copy an image of one platform and to know that its bytes are right: no
 * retries, no limits, no mounts, no checks but the digest. What our engine takes beyond this is ours to save.
 */
interface Descriptor {
  digest: string;
  size: number;
}

const job = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Pick<Job, 'images' | 'source' | 'target'>;
const settings = { connections: 16, pipelining: 1 };
const [source, target] = [job.source, job.target].map((host) => new Pool(`http://${host}`, settings)) as [Pool, Pool];

for (const { repository, tag } of job.images) {
  const at = `/v2/${repository}`;
  const found = await source.request({
    method: 'GET',
    path: `${at}/manifests/${tag}`,
    headers: { accept: acceptedManifests },
  });
  const manifest = Buffer.from(await found.body.arrayBuffer());
  const { config, layers } = JSON.parse(manifest.toString()) as { config: Descriptor; layers: Descriptor[] };
  await Promise.all([config, ...layers].map((blob) => copyBlob(at, blob)));
  await put(`${at}/manifests/${tag}`, String(found.headers['content-type']), manifest.length, manifest);
}
await Promise.all([source.close(), target.close()]);

async function copyBlob(at: string, { digest, size }: Descriptor): Promise<void> {
  const [session, { body }] = await Promise.all([
    target.request({ method: 'POST', path: `${at}/blobs/uploads/`, headers: { 'content-length': '0' } }),
    source.request({ method: 'GET', path: `${at}/blobs/${digest}` }),
  ]);
  await session.body.dump();
  const { pathname, search } = new URL(String(session.headers['location']), `http://${job.target}`);
  const hash = createHash('sha256');
  const hashed = async function* () {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await put(`${pathname}${search}&digest=${digest}`, 'application/octet-stream', size, hashed());
  if (`sha256:${hash.digest('hex')}` !== digest) throw new Error(`other bytes than those of ${digest}`);
}

async function put(path: string, type: string, length: number, body: Buffer | AsyncIterable<Buffer>): Promise<void> {
  const headers = { 'content-type': type, 'content-length': String(length) };
  const { statusCode, body: answer } = await target.request({ method: 'PUT', path, headers, body: body as Buffer });
  await answer.dump();
  if (statusCode !== 201) throw new Error(`HTTP ${statusCode} for ${path}`);
}
