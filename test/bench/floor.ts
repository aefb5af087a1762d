import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { inParallel } from '../../functions/async/in-parallel.ts';
import { accountIdFromKey } from '../../functions/harness/account.ts';
import { Pool } from 'undici';
import { acceptedManifests } from '../../functions/oci/spec/media-type.ts';
import type { Job } from './peers.ts';

/**
 * The least time of Node.js and undici for a sync: read Harness, copy every blob once, verify the digests, switch Harness,
 * and read it again. No retries, limits or other checks. Our sync can save at most the rest.
 */
interface Descriptor {
  digest: string;
  size: number;
}

interface Manifest {
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
}

const imagesInFlight = 5;
/** The first repository that gets each blob. Others mount it from there. */
const sent = new Map<string, { at: string; done: Promise<void> }>();

const job = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Omit<Job, 'home'>;
const settings = { connections: 16, pipelining: 1 };
const [source, target] = [job.source, job.target].map((host) => new Pool(`${job.scheme}://${host}`, settings)) as [
  Pool,
  Pool,
];

const harness = new Pool(job.harness.url, settings);
const account = accountIdFromKey(job.harness.apiKey);

await askHarness('GET', 'get-default-config');
await inParallel(job.images, imagesInFlight, undefined, ({ repository, tag }) =>
  copyManifest(`/v2/${repository}`, tag),
);
const [image] = job.images;
await askHarness('POST', 'update-config', [
  { field: 'image0Tag', value: `${job.target}/${image?.repository}:${image?.tag}` },
]);
await askHarness('GET', 'get-customer-config');
await Promise.all([source.close(), target.close(), harness.close()]);

async function askHarness(method: 'GET' | 'POST', operation: string, body?: object): Promise<void> {
  const { statusCode, body: answer } = await harness.request({
    method,
    path: `/gateway/ci/execution-config/${operation}?accountIdentifier=${account}&infra=K8`,
    headers: { 'x-api-key': job.harness.apiKey, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  await answer.dump();
  if (statusCode !== 200) throw new Error(`HTTP ${statusCode} of Harness for ${operation}`);
}

async function copyManifest(at: string, reference: string): Promise<void> {
  const found = await source.request({
    method: 'GET',
    path: `${at}/manifests/${reference}`,
    headers: { accept: acceptedManifests },
  });
  const manifest = Buffer.from(await found.body.arrayBuffer());
  const { config, layers = [], manifests = [] } = JSON.parse(manifest.toString()) as Manifest;
  await Promise.all([
    ...[...(config ? [config] : []), ...layers].map((blob) => bringBlob(at, blob)),
    ...manifests.map(({ digest }) => copyManifest(at, digest)),
  ]);
  await put(`${at}/manifests/${reference}`, String(found.headers['content-type']), manifest.length, manifest);
}

async function bringBlob(at: string, blob: Descriptor): Promise<void> {
  const first = sent.get(blob.digest);
  if (!first) {
    const done = copyBlob(at, blob);
    sent.set(blob.digest, { at, done });
    return done;
  }
  await first.done;
  if (first.at === at) return;
  const from = encodeURIComponent(first.at.slice('/v2/'.length));
  const path = `${at}/blobs/uploads/?mount=${blob.digest}&from=${from}`;
  const { statusCode, body } = await target.request({ method: 'POST', path, headers: { 'content-length': '0' } });
  await body.dump();
  if (statusCode !== 201) throw new Error(`HTTP ${statusCode} for ${path}`);
}

async function copyBlob(at: string, { digest, size }: Descriptor): Promise<void> {
  const [session, { body }] = await Promise.all([
    target.request({ method: 'POST', path: `${at}/blobs/uploads/`, headers: { 'content-length': '0' } }),
    source.request({ method: 'GET', path: `${at}/blobs/${digest}` }),
  ]);
  await session.body.dump();
  const { pathname, search } = new URL(String(session.headers['location']), `${job.scheme}://${job.target}`);
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
