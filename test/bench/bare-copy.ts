import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { inParallel } from '../../functions/async/in-parallel.ts';
import { accountIdFromKey } from '../../functions/harness/account.ts';
import { bodyChunks } from '../../functions/http/body-chunks.ts';
import { release } from '../../functions/http/release.ts';
import { acceptedManifests } from '../../functions/oci/spec/media-type.ts';
import type { Job } from './peers.ts';

interface Call {
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string | AsyncIterable<Uint8Array>;
}

interface Answer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Readable;
}

/** Sends a request to one origin. */
export type Client = (call: Call) => Promise<Answer>;

/** The connections to each origin. */
export const connections = 16;

interface Descriptor {
  digest: string;
  size: number;
}

interface Manifest {
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
}

export const imagesInFlight = 5;

/** The parts of a job that the loop reads. */
export interface BareJob extends Omit<Job, 'home' | 'images'> {
  images: readonly Pick<Job['images'][number], 'repository' | 'tag'>[];
}

/** The steps of a sync with the least work. No retries, limits or other checks. */
export interface BareSync {
  images: BareJob['images'];
  /** The requests to Harness. */
  harness: Record<'defaults' | 'overrides' | 'connector' | 'mayWrite' | 'switchImage', () => Promise<void>>;
  /** Copies an image: each blob once, with its digest verified. */
  copy: (image: BareJob['images'][number]) => Promise<void>;
}

/**
 * Does a job (a file, the first argument) with the least work: reads Harness, copies every image, switches Harness, and
 * reads it again. `connect` is an HTTP library.
 */
export async function copyBarely(connect: (origin: string) => Client): Promise<void> {
  const { images, harness, copy } = bareSync(await readJob(), connect);
  await harness.defaults();
  await inParallel(images, imagesInFlight, undefined, copy);
  await harness.switchImage();
  await harness.overrides();
}

export async function readJob(): Promise<BareJob> {
  return JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as BareJob;
}

export function bareSync(job: BareJob, connect: (origin: string) => Client): BareSync {
  const [source, target] = [job.source, job.target].map((host) => connect(`${job.scheme}://${host}`)) as [
    Client,
    Client,
  ];
  const harness = connect(job.harness.url);
  const account = accountIdFromKey(job.harness.apiKey);
  const [image] = job.images;
  /** The first repository that gets each blob. Others mount it from there. */
  const sent = new Map<string, { at: string; done: Promise<void> }>();
  const config = (operation: string) => `/ci/execution-config/${operation}?accountIdentifier=${account}&infra=K8`;

  return {
    images: job.images,
    harness: {
      defaults: () => askHarness('GET', config('get-default-config')),
      overrides: () => askHarness('GET', `${config('get-customer-config')}&overridesOnly=true`),
      connector: () => askHarness('GET', `/ng/api/connectors/harnessImage?accountIdentifier=${account}`),
      mayWrite: () => {
        const check = { permission: 'core_account_edit', resourceType: 'ACCOUNT', resourceIdentifier: account };
        return askHarness('POST', `/authz/api/acl?accountIdentifier=${account}`, { permissions: [check] });
      },
      switchImage: () =>
        askHarness('POST', config('update-config'), [
          { field: 'image0Tag', value: `${job.target}/${image?.repository}:${image?.tag}` },
        ]),
    },
    copy: ({ repository, tag }) => copyManifest(`/v2/${repository}`, tag),
  };

  async function askHarness(method: 'GET' | 'POST', route: string, body?: object): Promise<void> {
    const change = body && content('application/json', JSON.stringify(body));
    const headers = { 'x-api-key': job.harness.apiKey, ...change?.headers };
    await expect(200, harness, { ...change, method, path: `/gateway${route}`, headers });
  }

  async function copyManifest(at: string, reference: string): Promise<void> {
    const path = `${at}/manifests/${reference}`;
    const { headers, body } = await source({ method: 'GET', path, headers: { accept: acceptedManifests } });
    const manifest = await read(body);
    const { config, layers = [], manifests = [] } = JSON.parse(manifest.toString()) as Manifest;
    await Promise.all([
      ...[...(config ? [config] : []), ...layers].map((blob) => bringBlob(at, blob)),
      ...manifests.map(({ digest }) => copyManifest(at, digest)),
    ]);
    await expect(201, target, { method: 'PUT', path, ...content(String(headers['content-type']), manifest) });
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
    await expect(201, target, startUpload(`${at}/blobs/uploads/?mount=${blob.digest}&from=${from}`));
  }

  async function copyBlob(at: string, { digest, size }: Descriptor): Promise<void> {
    const session = await target(startUpload(`${at}/blobs/uploads/`));
    await read(session.body);
    const { pathname, search } = new URL(String(session.headers['location']), `${job.scheme}://${job.target}`);
    const { body } = await source({ method: 'GET', path: `${at}/blobs/${digest}` });
    const hash = createHash('sha256');
    const hashed = async function* () {
      for await (const chunk of bodyChunks(body, { windowMs: 60_000, leastBytesPerSecond: 1 })) {
        hash.update(chunk);
        yield chunk;
        if (chunk.length >= 64 * 1024) release(chunk);
      }
    };
    const path = `${pathname}${search}&digest=${digest}`;
    await expect(201, target, { method: 'PUT', path, ...content('application/octet-stream', hashed(), size) });
    if (`sha256:${hash.digest('hex')}` !== digest) throw new Error(`other bytes than those of ${digest}`);
  }
}

function startUpload(path: string): Call {
  return { method: 'POST', path, headers: { 'content-length': '0' } };
}

function content(type: string, body: NonNullable<Call['body']>, length?: number): Pick<Call, 'body' | 'headers'> {
  const bytes = length ?? Buffer.byteLength(body as Buffer | string);
  return { body, headers: { 'content-type': type, 'content-length': String(bytes) } };
}

async function expect(status: number, client: Client, call: Call): Promise<void> {
  const answer = await client(call);
  await read(answer.body);
  if (answer.status !== status) throw new Error(`HTTP ${answer.status} for ${call.path}`);
}

async function read(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
