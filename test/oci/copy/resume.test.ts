import { randomBytes } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CopyRecord, type OpenUpload } from '../../../functions/oci/copy/checkpoint.ts';
import { Deadline } from '../../../functions/oci/copy/deadline.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Source } from '../../../functions/oci/registry/source.ts';
import { resumableHash } from '../../../functions/oci/copy/resumable-hash.ts';
import { type Profile, profileOf } from '../../../functions/oci/registry/profile.ts';
import { profile } from '../../../infra/local/embedded/registry/profiles.ts';
import { startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { ByteClock, call, type CallOptions, callUntilDone, pausedCall, type PausedCall } from './calls.ts';
import { connect, copy, count, errorOf, expectWhole, received } from '../connect.ts';
import { always } from '../providers.ts';
import { imageDocument, manifestOf } from '../documents.ts';
import { storedImage } from '../stored-images.ts';
import { sent } from './fault-matrix.ts';
import { from, mirror, name, source, to, useTwoRegistries } from './two-registries.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const part = 64 * KiB;
/** Each layer needs several calls of `callBytes`. */
const callBytes = 512 * KiB;
const layers = [2 * MiB + 1, 1.5 * MiB, MiB + part, 1.25 * MiB, 5].map((bytes) => randomBytes(bytes));
const image = storedImage(layers);
const size = [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0);
const one = storedImage([randomBytes(MiB)]);
const [, layer = Buffer.alloc(0)] = one.blobs.values();
const [, layerDigest = ''] = one.blobs.keys();
const oneSize = [...one.blobs.values()].reduce((sum, { length }) => sum + length, 0);

let otherHash: string;
let notes: string[];
useTwoRegistries();
beforeAll(async () => void (otherHash = (await resumableHash(digestOf(layer))).save()));
beforeEach(() => {
  from.storage.putImage(name, '1', image);
  from.storage.putImage(name, 'one', one);
  notes = [];
});

function destination(profile: Partial<Profile> = {}): Repository {
  const known = { ...profileOf('registry.acme.com'), chunkBytes: part, ...profile };
  return new Repository(connect(to.host, { profile: known, onNote: (note) => void notes.push(note) }), mirror);
}

const steps = (tag: string, options: Partial<Parameters<typeof callUntilDone>[3]> = {}, there = destination()) =>
  callUntilDone(source, tag, there, { bytes: callBytes, ...options });

/** Makes one call that ends in the middle of the layer. */
const half = (there = destination(), options: Partial<CallOptions> = {}) =>
  pausedCall(source, 'one', there, { bytes: callBytes, ...options });

/** Returns the open upload of the layer after a call. */
function open({ checkpoint }: PausedCall): OpenUpload {
  const [, upload] = checkpoint.open[0] ?? [];
  if (!upload) throw new Error('nothing is open');
  return upload;
}

/** The registry's side of it. */
function uploadOf(result: PausedCall) {
  const [, id = ''] = /uploads\/([^?]+)/.exec(open(result).at) ?? [];
  const upload = to.uploads.find(mirror, id);
  if (!upload) throw new Error('the registry has no such upload');
  return upload;
}

/** The digests of uploads that became a blob. */
function finished(): string[] {
  return to.requests
    .filter(({ method, path, status }) => method === 'PUT' && path.includes('/uploads/') && status === 201)
    .map(({ query }) => new URLSearchParams(query).get('digest') ?? '')
    .toSorted();
}

async function* pieces(...bytes: Buffer[]): AsyncGenerator<Buffer> {
  yield* bytes;
}

describe('a copy in several calls', () => {
  it('ends with the whole image, every byte sent once and no blob uploaded twice', async () => {
    const sizes: number[] = [];
    const between = ({ checkpoint }: PausedCall) => void sizes.push(JSON.stringify(checkpoint).length);
    const { calls, copied } = await steps('1', { between });
    expect(Math.max(...sizes)).toBeLessThan(64 * KiB);
    expect(calls).toBeGreaterThan(8);
    expectWhole(to, mirror, image);
    expect(to.storage.resolve(mirror, '1')).toBe(image.digest);
    expect(received(to)).toBe(size);
    expect(finished()).toEqual([...image.blobs.keys()].toSorted());
    expect(copied).toEqual({ bytesTransferred: size, bytesSkipped: 0, confirmed: true });
    expect(to.uploads.size).toBe(0);
  });

  it('reads each byte at its source once, but for what a pause cuts off', async () => {
    const offsets = [0];
    await steps('one', { between: (result) => void offsets.push(open(result).offset) });
    const starts = from.requests
      .filter(({ path }) => path.includes(layerDigest))
      .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers['range'] ?? '')?.[1] ?? 0));
    expect(starts).toEqual(offsets);
    expect(offsets.length).toBeGreaterThan(1);
  });

  it('reports progress by the bytes that the destination acknowledged', async () => {
    const result = await half();
    expect(result.bytesTransferred).toBe(received(to));
    expect(open(result).offset).toBe(uploadOf(result).size);
  });

  it('sends in one piece what gets through in one call', async () => {
    const { calls } = await steps('1', { bytes: 100 * MiB });
    expect([calls, count(to, 'PATCH')]).toEqual([1, 0]);
  });

  it('sends in parts what was cut off in one piece', async () => {
    const clock = new ByteClock();
    const watch = () => clock.ring();
    const cut = await half(destination(), { bytes: 100 * MiB, clock, watch });
    expect(cut.checkpoint.interrupted).toHaveLength(one.blobs.size);
    expect([cut.bytesTransferred, count(to, 'PATCH')]).toEqual([0, 0]);
    const { copied } = await steps('one', { bytes: 100 * MiB, checkpoint: cut.checkpoint });
    expect(count(to, 'PATCH')).toBe(MiB / part);
    expectWhole(to, mirror, one);
    expect(copied.bytesTransferred + copied.bytesSkipped).toBe(oneSize);
  });

  it('reads no part ahead from a local disk, and sends a part again that failed', async () => {
    const accepted = () => to.requests.filter(({ method, status }) => method === 'PATCH' && status === 202).length;
    /** At each read of the layer, the parts that were read and not yet accepted. */
    const waiting: number[] = [];
    const disk: Source = {
      registry: undefined,
      isLocal: true,
      manifest: (...wanted) => source.manifest(...wanted),
      digestOf: (...wanted) => source.digestOf(...wanted),
      referrers: (...wanted) => source.referrers(...wanted),
      async *blob({ digest }, { start = 0 } = {}) {
        const bytes = one.blobs.get(digest) ?? Buffer.alloc(0);
        for (let at = start; at < bytes.length; at += part) {
          if (digest === layerDigest) waiting.push(at / part - accepted());
          yield bytes.subarray(at, at + part);
        }
      },
    };
    to.faults.add({ match: { method: 'PATCH', skip: 2 }, act: { status: 503 } });
    await callUntilDone(disk, 'one', destination(), { bytes: callBytes });
    expect(to.faults.hits).toBe(1);
    expect(waiting).toEqual(Array.from({ length: MiB / part }, () => 0));
    expectWhole(to, mirror, one);
  });

  it('starts nothing after its time, and finishes what it started', async () => {
    const there = destination();
    const first = await pausedCall(source, '1', there, { bytes: 2 * callBytes });
    const second = await pausedCall(source, '1', there, { bytes: 2 * callBytes, checkpoint: first.checkpoint });
    const begun = first.checkpoint.open.map(([blob]) => blob);
    expect(begun).toHaveLength(2);
    expect(second.checkpoint.open.map(([blob]) => blob)).toEqual(begun);
  });

  it('continues interrupted blobs first, whatever their size', async () => {
    const there = destination();
    const { checkpoint } = await pausedCall(source, '1', there, { bytes: callBytes });
    const digest = digestOf(layers[2] as Buffer);
    const blob = [...image.blobs.keys()].toSorted().indexOf(digest);
    const begun = to.uploads.begin(mirror);
    const first = layers[2]?.subarray(0, part) ?? Buffer.alloc(0);
    await begun.append(pieces(first));
    const hash = await resumableHash(digest);
    hash.update(first);
    const at = `/v2/${mirror}/blobs/uploads/${begun.id}`;
    checkpoint.open = [[blob, { kind: 'session', at, partBytes: part, offset: part, hash: hash.save() }]];
    const next = await pausedCall(source, '1', there, { bytes: callBytes, checkpoint });
    expect(begun.size).toBeGreaterThan(2 * part);
    expect(next.checkpoint.open.map(([index]) => index)).toContain(blob);
  });

  it('ends when all blobs are there, although nothing more may start', async () => {
    const clock = new ByteClock();
    const deadline = new Deadline(clock.now() + 1_000, clock.now() + 1e9, clock);
    const watch = () => clock.pass(100 * MiB);
    const result = await call(source, 'one', destination(), { bytes: 0, clock, deadline, watch });
    expect([deadline.admits, 'confirmed' in result]).toEqual([false, true]);
    expectWhole(to, mirror, one);
  });

  it('resumes a blob with a sha512 digest', async () => {
    const strong = storedImage([randomBytes(MiB)], { algorithm: 'sha512' });
    from.storage.putImage(name, 'strong', strong);
    expect((await steps('strong')).calls).toBeGreaterThan(1);
    expectWhole(to, mirror, strong);
    expect(received(to)).toBe([...strong.blobs.values()].reduce((sum, { length }) => sum + length, 0));
  });

  it('sends parts of the size that the registry requires', async () => {
    Object.assign(to.quirks, { minChunkBytes: 100 * KiB, maxChunkBytes: 200 * KiB, announceMaxChunk: true });
    await steps('one');
    expectWhole(to, mirror, one);
    expect(received(to)).toBe(oneSize);
    const patches = to.requests.filter(({ method }) => method === 'PATCH').map(({ bytesIn }) => bytesIn);
    expect(Math.max(...patches)).toBe(100 * KiB);
  });
});

describe('a resumed upload', () => {
  const rest = async (before: PausedCall, there = destination()) => {
    const done = await steps('one', { bytes: 100 * MiB, checkpoint: before.checkpoint }, there);
    expectWhole(to, mirror, one);
    expect(finished().filter((digest) => digest === layerDigest)).toHaveLength(1);
    expect(done.copied.bytesTransferred + done.copied.bytesSkipped).toBe(oneSize);
    return done;
  };

  it('starts over where the registry forgot the upload', async () => {
    const before = await half();
    to.uploads.clear();
    await rest(before);
    expect(received(to)).toBe(oneSize + open(before).offset);
  });

  it('starts over where the registry has less than it acknowledged', async () => {
    const before = await half();
    const upload = to.uploads.begin(mirror);
    await upload.append(pieces(layer.subarray(0, part)));
    open(before).at = `/v2/${mirror}/blobs/uploads/${upload.id}`;
    await rest(before);
    // That was asked, not tried.
    expect(to.requests.filter(({ status }) => status >= 400)).toEqual([]);
  });

  it('sends only what is missing where the registry has more than it acknowledged', async () => {
    const before = await half();
    const { offset } = open(before);
    const more = 3 * part + 100;
    await uploadOf(before).append(pieces(layer.subarray(offset, offset + more)));
    await rest(before);
    expect(received(to)).toBe(oneSize - more);
  });

  it.each([profileOf('quay.io'), {}])(
    'sends only what is missing to Quay, whose range has no last byte',
    async (known) => {
      Object.assign(to.quirks, profile('quay'));
      const quay = () => destination({ ...known, chunkBytes: part });
      await rest(await half(quay()), quay());
      expect(received(to)).toBe(oneSize);
      expect(to.requests.filter(({ status }) => status === 416)).toEqual([]);
    },
  );

  it('only completes the upload where the registry has all bytes', async () => {
    const before = await half();
    await uploadOf(before).append(pieces(layer.subarray(open(before).offset)));
    await rest(before);
    expect(received(to)).toBe(oneSize - (MiB - open(before).offset));
  });

  it('starts over where the registry has other bytes', async () => {
    const before = await half();
    await uploadOf(before).append(pieces(Buffer.alloc(2 * part)));
    await rest(before);
  });

  it('starts over where the registry claims more bytes than the blob has', async () => {
    const before = await half();
    await uploadOf(before).append(pieces(Buffer.alloc(2 * MiB)));
    await rest(before);
  });

  it('waits for a registry that responds 503 for a while', async () => {
    const before = await half();
    to.faults.add({ match: { method: 'GET', path: /uploads/ }, act: { status: 503 } });
    await rest(before);
    expect(received(to)).toBe(oneSize);
  });

  it('drops the upload when the registry has the blob by now', async () => {
    const before = await half();
    to.storage.putBlob(mirror, layer);
    to.uploads.clear();
    const { copied } = await steps('one', { bytes: 100 * MiB, checkpoint: before.checkpoint });
    expectWhole(to, mirror, one);
    expect(received(to)).toBe(open(before).offset + oneSize - MiB);
    expect(copied.bytesTransferred + copied.bytesSkipped).toBe(oneSize);
  });

  it('reads the whole layer, and sends only its rest, where the source ignores Range', async () => {
    from.quirks.noRange = true;
    const before = await half();
    const read = sent(from);
    await rest(before);
    expect(sent(from) - read).toBeGreaterThanOrEqual(MiB);
    expect(received(to)).toBe(oneSize);
  });

  it('counts nothing twice where the registry no longer accepts parts', async () => {
    const before = await half();
    await rest(before, destination({ rangeTrusted: false }));
  });

  it('never becomes a blob when its source has changed meanwhile, and does when it is healed', async () => {
    const before = await half();
    from.storage.deleteBlob(name, layerDigest);
    from.storage.putBlob(
      name,
      Buffer.concat([Buffer.from('x'), layer.subarray(1, MiB - 1), Buffer.from('x')]),
      layerDigest,
    );
    expect(
      await errorOf(call(source, 'one', destination(), { bytes: 100 * MiB, checkpoint: before.checkpoint })),
    ).toMatchObject({ name: 'DigestMismatch' });
    expect(finished()).not.toContain(layerDigest);
    expect(to.storage.tags(mirror)).toEqual([]);
    from.storage.deleteBlob(name, layerDigest);
    from.storage.putBlob(name, layer);
    await rest(before);
  });

  it.each([
    ['shorter', layer.subarray(0, MiB - 10)],
    ['longer', Buffer.concat([layer, Buffer.from('more')])],
  ])('never becomes a blob of a source that is %s by then', async (_, content) => {
    const before = await half();
    from.storage.deleteBlob(name, layerDigest);
    from.storage.putBlob(name, content, layerDigest);
    const failure = await errorOf(
      call(source, 'one', destination(), { bytes: 100 * MiB, checkpoint: before.checkpoint }),
    );
    expect(['DigestMismatch', 'RegistryFailed']).toContain(failure.name);
    expect(finished()).not.toContain(layerDigest);
  });

  it('leaves nothing open when the rest turns out to be wrong', async () => {
    const before = await half();
    from.faults.add({ match: { path: new RegExp(layerDigest), times: 99 }, act: 'corrupt', afterBytes: MiB / 4 });
    await errorOf(call(source, 'one', destination(), { bytes: 100 * MiB, checkpoint: before.checkpoint }));
    expect(from.faults.hits).toBeGreaterThan(1);
    expect(to.uploads.size).toBe(0);
  });
});

describe('a checkpoint costs time at most', () => {
  const wrong: [string, (checkpoint: Record<string, unknown>, upload: Record<string, unknown>) => unknown][] = [
    ['is text', () => 'checkpoint'],
    ['is a number', () => 7],
    ['is a list', () => []],
    ['is of another version', (checkpoint) => void (checkpoint['version'] = 2)],
    ['is of another image', (checkpoint) => void (checkpoint['image'] = `sha256:${'0'.repeat(64)}`)],
    ['is of another place', (checkpoint) => void (checkpoint['destination'] = 'registry.acme.com/mirror/ci-addon')],
    ['is older than 12 hours', (checkpoint) => void (checkpoint['writtenAt'] = Date.now() - 13 * 3_600_000)],
    ['has no time', (checkpoint) => void delete checkpoint['writtenAt']],
    ['has too few bits', (checkpoint) => void (checkpoint['uploaded'] = '')],
    ['has bits that are none', (checkpoint) => void (checkpoint['skipped'] = 7)],
    ['calls blobs uploaded that are not there', (checkpoint) => void (checkpoint['uploaded'] = '/w==')],
    ['calls blobs skipped that are not there', (checkpoint) => void (checkpoint['skipped'] = 'Aw==')],
    ['has uploads that are none', (checkpoint) => void (checkpoint['open'] = [7, [0], [0, null]])],
    ['has an upload of no blob', (checkpoint) => void (checkpoint['open'] = [[99, {}]])],
    ['has interruptions that are none', (checkpoint) => void (checkpoint['interrupted'] = [[0, 'often']])],
    ['has an upload of another kind', (_, upload) => void (upload['kind'] = 'other')],
    ['has an upload of a kind that the registry does not know', (_, upload) => void (upload['kind'] = 'layer')],
    ['has an upload at another host', (_, upload) => void (upload['at'] = `http://${from.host}/v2/x/blobs/uploads/1`)],
    ['has an upload at another host, hidden', (_, upload) => void (upload['at'] = `/\\${from.host}/v2/x`)],
    ['has an upload at no address', (_, upload) => void (upload['at'] = 'javascript:alert(1)')],
    ['has an endless address', (_, upload) => void (upload['at'] = `/${'x'.repeat(100_000)}`)],
    ['has parts of one byte', (_, upload) => void (upload['partBytes'] = 1)],
    ['has parts larger than memory', (_, upload) => void (upload['partBytes'] = 2 ** 40)],
    ['is further than the blob is long', (_, upload) => void (upload['offset'] = 2 * MiB)],
    ['is at a byte that is none', (_, upload) => void (upload['offset'] = -1.5)],
    ['is behind where it says', (_, upload) => void (upload['offset'] = MiB - 1)],
    ['is before where it says', (_, upload) => void (upload['offset'] = part)],
    ['has a hash of other bytes', (_, upload) => void (upload['hash'] = otherHash)],
    ['has a hash that is none', (_, upload) => void (upload['hash'] = 'AAAA')],
  ];

  it.each(wrong)('copies everything despite a checkpoint that %s', async (_, damage) => {
    // A registry that would take a manifest whose blobs are not there.
    to.quirks.acceptDangling = true;
    const { checkpoint } = JSON.parse(JSON.stringify(await half())) as { checkpoint: Record<string, unknown> };
    const [[, upload] = [0, {}]] = checkpoint['open'] as [number, Record<string, unknown>][];
    const damaged = damage(checkpoint, upload) ?? checkpoint;
    const { copied } = await steps('one', { bytes: 100 * MiB, checkpoint: damaged });
    expectWhole(to, mirror, one);
    expect(copied.bytesTransferred + copied.bytesSkipped).toBe(oneSize);
    expect(from.requests.filter(({ path }) => path.startsWith('/v2/x'))).toEqual([]);
  });

  it.each(wrong.filter(([name]) => name.startsWith('is of another') || name.startsWith('is older')))(
    'sends no request about the uploads of a checkpoint that %s',
    async (_, damage) => {
      const { checkpoint } = JSON.parse(JSON.stringify(await half())) as { checkpoint: Record<string, unknown> };
      damage(checkpoint, {});
      await steps('one', { bytes: 100 * MiB, checkpoint });
      expect(count(to, 'GET', /uploads/)).toBe(0);
    },
  );

  it('finds a finished blob that the checkpoint does not mention', async () => {
    await call(source, '1', destination(), { bytes: 4 * MiB });
    const before = finished().length;
    expect(before).toBeGreaterThan(0);
    await steps('1', { bytes: 100 * MiB });
    expect(new Set(finished()).size).toBe(finished().length);
  });

  it('copies again what the registry has cleared away since', async () => {
    const first = await pausedCall(source, '1', destination(), { bytes: 2 * MiB });
    expect(finished().length).toBeGreaterThan(0);
    for (const digest of to.storage.blobs(mirror)) to.storage.deleteBlob(mirror, digest);
    const { copied } = await steps('1', { bytes: 100 * MiB, checkpoint: first.checkpoint });
    expectWhole(to, mirror, image);
    expect(copied.bytesTransferred + copied.bytesSkipped).toBe(size);
  });
});

describe('a checkpoint', () => {
  it('holds no credentials, and no address', async () => {
    const auth = { kind: 'bearer', users: { ada: 's3cret' } } as const;
    const guarded = await startRegistry({ auth, quirks: { absoluteLocation: true } });
    const profile = { ...profileOf('registry.acme.com'), chunkBytes: part };
    const registry = connect(guarded.host, { profile, credentials: always({ username: 'ada', password: 's3cret' }) });
    const result = await half(new Repository(registry, mirror));
    const text = JSON.stringify(result.checkpoint);
    expect(open(result).at).toMatch(/^\/v2\//);
    expect(text).not.toMatch(/s3cret|bearer|basic|http/i);
    await guarded.close();
  });

  it('keeps a checkpoint below 64 KiB, however many blobs and uploads there are', () => {
    const blobs = Array.from({ length: 20_000 }, (_, i) => {
      return { mediaType: 'application/octet-stream', digest: digestOf(Buffer.from(String(i))), size: 1_000 };
    });
    const root = manifestOf(imageDocument());
    const record = new CopyRecord({ root, manifests: [root], blobs, size: 20_000_000 }, destination());
    blobs.forEach(({ digest }, i) => {
      if (i % 3 === 0) record.finish(digest, i % 2 === 0 ? 'uploaded' : 'skipped');
      else if (i % 3 === 1)
        record.open.set(digest, {
          kind: 'session',
          at: 'x'.repeat(2_048),
          partBytes: part,
          offset: 999,
          hash: 'x'.repeat(500),
        });
      else record.interrupted.set(digest, 1);
    });
    const written = JSON.stringify(record.write(Date.now()));
    expect(written.length).toBeLessThan(64 * KiB);
    const read = CopyRecord.restore(
      JSON.parse(written),
      { root, manifests: [root], blobs, size: 0 },
      destination(),
      Date.now(),
    );
    expect([read.uploaded, read.skipped]).toEqual([record.uploaded, record.skipped]);
  });
});

describe('a registry without resumable uploads', () => {
  const fixed = () => destination({ rangeTrusted: false });
  const ringing = () => {
    const clock = new ByteClock();
    return { clock, watch: () => clock.ring(), bytes: 100 * MiB };
  };

  it('a blob that was cut off is sent from its start', async () => {
    const cut = await half(fixed(), ringing());
    await steps('one', { bytes: 100 * MiB, checkpoint: cut.checkpoint }, fixed());
    expectWhole(to, mirror, one);
    expect(count(to, 'PATCH')).toBe(0);
  });

  it('a blob that was cut off twice is a clear failure', async () => {
    let { checkpoint } = await half(fixed(), ringing());
    ({ checkpoint } = await half(fixed(), { ...ringing(), checkpoint }));
    const failure = await errorOf(call(source, 'one', fixed(), { ...ringing(), checkpoint }));
    expect(failure).toMatchObject({ name: 'RegistryFailed' });
    expect(failure.message).toContain(layerDigest);
    expect(String(failure['hint'])).toContain('without a time limit');
  });

  it('sends the blob in one piece to a registry that refuses parts, with one note', async () => {
    to.quirks.noChunked = true;
    await steps('1', { bytes: callBytes });
    expectWhole(to, mirror, image);
    expect(notes).toEqual([expect.stringContaining('refused a blob in parts (HTTP 400)')]);
    expect(to.uploads.size).toBe(0);
  });
});

describe('a registry that requests a pause', () => {
  const throttle = (seconds: number, times = 99) =>
    from.faults.add({
      match: { method: 'GET', path: new RegExp(layerDigest), times },
      act: { status: 429, headers: { 'retry-after': String(seconds) } },
    });
  /** Returns a deadline by the wall clock, by which the registry's pause is measured. */
  const soon = (ms: number) => new Deadline(Date.now() + ms, Date.now() + ms);

  it.each([
    ['for longer than is left', 100, 30_000],
    ['for longer than any request waits', 3_600, 600_000],
  ])('%s is left alone until then', async (_, seconds, left) => {
    throttle(seconds, 1);
    const began = Date.now();
    const { paused, checkpoint } = await half(destination(), { deadline: soon(left) });
    expect(paused.notBefore).toBeGreaterThanOrEqual(began + seconds * 1_000);
    expect(paused.notBefore).toBeLessThan(began + seconds * 1_000 + left);
    // Not its fault, and not the network's.
    expect(checkpoint.interrupted).toEqual([]);
    // After the pause, in a new process.
    const later = new Repository(connect(from.host), name);
    await callUntilDone(later, 'one', destination(), { bytes: 100 * MiB, checkpoint });
    expectWhole(to, mirror, one);
  });

  it('fails when a registry requires a pause longer than the lifetime of a checkpoint', async () => {
    throttle(13 * 3_600);
    expect(await errorOf(half(destination(), { deadline: soon(600_000) }))).toMatchObject({
      name: 'RegistryThrottled',
    });
  });

  it('fails when a registry requires a longer pause than any request waits, without a deadline', async () => {
    throttle(3_600);
    expect(await errorOf(copy(source, 'one', destination()))).toMatchObject({ name: 'RegistryThrottled' });
  });
});

describe('a copy that begins again from nothing', () => {
  it.each([
    ['at once', {}, {}],
    ['only after a manifest', { mount: 'after-manifest' }, { mount: 'afterManifest' }],
    ['never', { mount: 'never' }, { mount: 'no' }],
  ] as const)('sends no blob twice where blobs can be mounted %s', async (_, profile, quirks) => {
    Object.assign(to.quirks, quirks);
    to.faults.add({ match: { method: 'PUT', path: /manifests/ }, act: { status: 400 } });
    await errorOf(copy(source, '1', destination(profile)));
    const before = received(to);
    expect(before).toBe(size);
    await copy(source, '1', destination(profile));
    expect(received(to)).toBe(before);
    expectWhole(to, mirror, image);
  });
});

describe('an abort', () => {
  it('ends the copy with the reason of the abort, not as a pause', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const watch = () => controller.abort(reason);
    expect(await errorOf(half(destination(), { signal: controller.signal, watch }))).toBe(reason);
  });
});
