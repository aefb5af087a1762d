import { always } from '../providers.ts';
import { Transport } from '../../../functions/http/transport.ts';
import { type CopiedImage, copyImage } from '../../../functions/oci/copy/copy-image.ts';
import { type Profile, profileOf, type UploadWay } from '../../../functions/oci/registry/profile.ts';
import { Registry } from '../../../functions/oci/registry/registry.ts';
import type { Act, Fault } from '../../../infra/local/embedded/registry/faults.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import type { Image } from '../../../infra/local/embedded/registry/storage.ts';
import { storedImage } from '../stored-images.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

const MiB = 1024 * 1024;
export const mirror = 'mirror/ci-addon';
const name = 'harness/ci-addon';
const layers = [Buffer.alloc(1.25 * MiB, 'medium'), Buffer.from('small')];
const usual = storedImage([Buffer.alloc(6 * MiB, 'large'), ...layers]);
/** For stalls and uploads that are reset: with a layer larger than what sockets buffer, so that its sender has to wait. */
const larger = storedImage([Buffer.alloc(16 * MiB, 'larger'), ...layers]);

/** The first layer, which is the largest blob. */
export function largestOf(image: Image): string {
  const [, largest = ''] = image.blobs.keys();
  return largest;
}

/** Bytes of the blobs. */
export function sizeOf(image: Image): number {
  return [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0);
}

const user = { username: 'ada', password: 's3cret' };
const auth = { kind: 'bearer', users: { ada: 's3cret' } } as const;
/** Limits of time that a test can wait for, in milliseconds. */
const soon = { bodyIdleMs: 500, headersMs: 2_000 };

export interface FaultCase {
  side: 'source' | 'destination';
  fault: string;
  /** The method that sends the largest blob. */
  way: UploadWay;
  /** The image that is copied. */
  image: Image;
  /** The faults, in the order of their turn. */
  faults?: readonly Fault[];
  /** The source serves whole blobs only. */
  noRange?: true;
  /** All tokens die when the first bytes have moved. */
  tokensDie?: true;
}

export const pull = { method: 'GET', path: new RegExp(`${largestOf(usual)}|${largestOf(larger)}`) };
/** The request that carries the large blob. */
const push = (way: UploadWay) => ({ method: way === 'put' ? 'PUT' : 'PATCH', path: /\/uploads\// });
const manifestPut = { method: 'PUT', path: /\/manifests\// };
const throttled = { status: 429, headers: { 'retry-after': '0' } };
const forgotten = { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"gone"}]}' };
const eachPull = (act: Act): Fault[] =>
  [...usual.blobs.keys()].map((digest) => ({ match: { method: 'GET', path: new RegExp(digest) }, act }));

type FaultOfSide = Omit<FaultCase, 'side' | 'way' | 'image'>;

const atSource: readonly FaultOfSide[] = [
  { fault: 'a reset half-way', faults: [{ match: pull, act: 'reset', afterBytes: 3 * MiB }] },
  { fault: 'an end half-way', faults: [{ match: pull, act: 'finish-early', afterBytes: 3 * MiB }] },
  { fault: 'a body cut half-way', faults: [{ match: pull, act: 'truncate', afterBytes: 3 * MiB }] },
  { fault: 'a stall half-way', faults: [{ match: pull, act: 'stall', afterBytes: 3 * MiB }] },
  {
    fault: 'a reset half-way that ignores Range',
    faults: [{ match: pull, act: 'reset', afterBytes: 3 * MiB }],
    noRange: true,
  },
  { fault: 'a corrupted body', faults: [{ match: pull, act: 'corrupt', afterBytes: 3 * MiB }] },
  { fault: '429 with Retry-After for each blob', faults: eachPull(throttled) },
  { fault: '429 without Retry-After for each blob', faults: eachPull({ status: 429 }) },
  { fault: '503 for each blob', faults: eachPull({ status: 503 }) },
  { fault: '502 for each blob', faults: eachPull({ status: 502 }) },
  {
    fault: '503 for the manifest',
    faults: [{ match: { method: 'GET', path: /\/manifests\// }, act: { status: 503 } }],
  },
  { fault: 'a token that dies in the middle', tokensDie: true },
];

const atDestination = (way: UploadWay): readonly FaultOfSide[] => [
  { fault: '503 for the start of an upload', faults: [{ match: { method: 'POST' }, act: { status: 503 } }] },
  { fault: 'a reset in the middle', faults: [{ match: push(way), act: 'reset', afterBytes: 3 * MiB }] },
  { fault: 'a stall in the middle', faults: [{ match: push(way), act: 'stall', afterBytes: 3 * MiB }] },
  { fault: '503 in the middle', faults: [{ match: push(way), act: { status: 503 }, afterBytes: 3 * MiB }] },
  { fault: '429 for an upload', faults: [{ match: push(way), act: throttled }] },
  { fault: 'a session that is lost', faults: [{ match: push(way), act: forgotten }] },
  { fault: '503 for the manifest', faults: [{ match: manifestPut, act: { status: 503 } }] },
  { fault: '429 for the manifest', faults: [{ match: manifestPut, act: throttled }] },
  { fault: 'a token that dies in the middle', tokensDie: true },
];

/** Returns the smallest image that shows the faults. */
export function imageFor({ faults = [] }: Pick<FaultCase, 'faults'>): Image {
  const isUpload = ({ match }: Fault) => match?.method === 'PUT' || match?.method === 'PATCH';
  return faults.some((fault) => fault.act === 'stall' || (fault.act === 'reset' && isUpload(fault))) ? larger : usual;
}

/** The faults that peers were measured with, and the stalls and corrupted bodies that none of them survives. */
export const faultMatrix: readonly FaultCase[] = [
  ...atSource.map((row): FaultCase => ({ ...row, side: 'source', way: 'put', image: imageFor(row) })),
  ...(['put', 'patch', 'chunk'] as const).flatMap((way) =>
    atDestination(way).map((row): FaultCase => ({ ...row, side: 'destination', way, image: imageFor(row) })),
  ),
];

export interface FaultOutcome {
  from: EmbeddedRegistry;
  to: EmbeddedRegistry;
  totals?: CopiedImage;
  error?: unknown;
}

/** Copies the image once, with the fault; the registries that are returned are closed, but remember everything. */
export async function meet({ side, way, image, faults = [], noRange, tokensDie }: FaultCase): Promise<FaultOutcome> {
  const [from, to] = await Promise.all([startRegistry({ auth }), startRegistry({ auth })]);
  from.storage.putImage(name, '1', image);
  const at = side === 'source' ? from : to;
  for (const fault of faults) at.faults.add(fault);
  if (noRange) at.quirks.noRange = true;
  let alive = true;
  const onProgress = () => {
    if (tokensDie && alive) at.tokens.expireAll();
    alive = false;
  };
  const transport = new Transport(soon);
  const options = {
    transport,
    credentials: always(user),
    retry: { attempts: 5, baseMs: 0, maxMs: 0 },
  };
  const profile: Profile = {
    ...profileOf('registry.acme.com'),
    ...(way !== 'put' && { maxPut: MiB, large: way, chunkBytes: 4 * MiB }),
  };
  try {
    const source = new Repository(new Registry({ ...options, registry: from.host }), name);
    const destination = new Repository(new Registry({ ...options, registry: to.host, profile }), mirror);
    return { from, to, totals: await copyImage(source, destination, { tag: '1', stallMs: 500, onProgress }) };
  } catch (error) {
    return { from, to, error };
  } finally {
    await transport.destroy();
    await Promise.all([from.close(), to.close()]);
  }
}

/** Bytes of blobs that a registry sent. */
export function sent({ requests }: EmbeddedRegistry): number {
  return requests.filter(({ path }) => path.includes('/blobs/')).reduce((sum, { bytesOut }) => sum + bytesOut, 0);
}
