import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ecrLayerUploads } from '../../functions/aws/ecr-layer-uploads.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import type { LayerUploads } from '../../functions/oci/copy/part-sink.ts';
import { profileOf } from '../../functions/oci/registry/profile.ts';
import { BlobLedger } from '../../functions/oci/copy/blob-ledger.ts';
import { profile } from '../../infra/local/embedded/registry/profiles.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { call, type CallOptions, callUntilDone, pausedCall } from '../oci/copy/calls.ts';
import { connect, count, disconnect, errorOf, expectWhole, received } from '../oci/connect.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type LayerApi, startLayerApi } from './layer-api.ts';

const host = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const KiB = 1024;
const MiB = 1024 * KiB;
const name = 'harness/ci-addon';
const mirror = 'mirror/ci-addon';
const partSize = 64 * KiB;
const callBytes = 512 * KiB;
const image = storedImage([randomBytes(1.5 * MiB + 1), randomBytes(MiB), Buffer.from('small')]);
const [config, large, medium, small] = [...image.blobs].map(([digest, content]) => ({ digest, size: content.length }));
const inParts = (large?.size ?? 0) + (medium?.size ?? 0);
const size = inParts + (config?.size ?? 0) + (small?.size ?? 0);

let from: EmbeddedRegistry;
/** ECR's two faces: the OCI endpoint, and the API. */
let to: EmbeddedRegistry;
let api: LayerApi;
let source: Repository;
let destination: Repository;
let layerUploads: LayerUploads;

beforeEach(async () => {
  [from, to] = await Promise.all([
    startRegistry(),
    startRegistry({ quirks: profile('ecr'), repositories: [mirror, 'mirror/other'] }),
  ]);
  from.storage.putImage(name, '1', image);
  api = await startLayerApi(to, { partSize });
  source = new Repository(connect(from.host), name);
  const known = { ...profileOf(host), chunkBytes: partSize };
  destination = new Repository(connect(to.host, { profile: known }), mirror);
  const uploads = ecrLayerUploads(api.config)(host);
  if (!uploads) throw new Error(`${host} is not recognised`);
  layerUploads = uploads;
});
afterEach(async () => {
  await disconnect();
  await Promise.all([from.close(), to.close(), api.close()]);
});

const steps = (options: Partial<Parameters<typeof callUntilDone>[3]> = {}) =>
  callUntilDone(source, '1', destination, { bytes: callBytes, layerUploads, ...options });

const half = (options: Partial<CallOptions> = {}) =>
  pausedCall(source, '1', destination, { bytes: callBytes, layerUploads, ...options });

const answer = (error: string) => ({ answer: { status: 400, body: { __type: error, message: 'of a test' } } });

/** Strikes at the operation's nth call. */
function strike(operation: string, at: number, fault: NonNullable<ReturnType<LayerApi['fault']>>): void {
  let calls = 0;
  api.fault = (called) => (called === operation && ++calls === at ? fault : undefined);
}

describe('a copy to ECR in several calls', () => {
  it('resumes in the middle of a layer, and sends each byte once', async () => {
    const { calls, copied } = await steps();
    expect(calls).toBeGreaterThan(4);
    expectWhole(to, mirror, image);
    expect(to.storage.resolve(mirror, '1')).toBe(image.digest);
    expect(api.received()).toBe(inParts);
    expect(api.received() + received(to)).toBe(size);
    expect(new Set(api.completed)).toEqual(new Set([large?.digest, medium?.digest]));
    expect(api.completed).toHaveLength(2);
    expect(api.calls.filter((operation) => operation === 'InitiateLayerUpload')).toHaveLength(2);
    expect(copied).toMatchObject({ bytesTransferred: size, bytesSkipped: 0 });
  });

  it('mounts what can be mounted, and leaves the session that the registry opens instead', async () => {
    const other = storedImage([...image.blobs.values()].slice(1, 2));
    to.storage.putImage('mirror/other', '1', other);
    const ledger = new BlobLedger();
    for (const digest of image.blobs.keys()) ledger.expect(digest as never, 'mirror/other');
    const { copied } = await steps({ ledger });
    expectWhole(to, mirror, image);
    expect(api.completed).toEqual([medium?.digest]);
    expect(copied.bytesTransferred + copied.bytesSkipped).toBe(size);
    expect(copied.bytesSkipped).toBeGreaterThanOrEqual(large?.size ?? 0);
  });

  it('sends by the OCI endpoint what gets through in one call', async () => {
    await steps({ bytes: 100 * MiB });
    expectWhole(to, mirror, image);
    expect(api.calls).toEqual([]);
  });

  it('sends blobs of another algorithm than ECR knows by the OCI endpoint', async () => {
    const strong = storedImage([randomBytes(MiB)], { algorithm: 'sha512' });
    from.storage.putImage(name, '1', strong);
    await steps();
    expect(api.calls).toEqual([]);
    expect(count(to, 'PATCH')).toBe(0);
  });
});

describe('a resumed upload to ECR', () => {
  async function rest(checkpoint: unknown): Promise<void> {
    const { copied } = await steps({ bytes: 100 * MiB, checkpoint });
    expectWhole(to, mirror, image);
    expect(new Set(api.completed).size).toBe(api.completed.length);
    expect(copied.bytesTransferred + copied.bytesSkipped).toBe(size);
  }

  it('resumes after a part whose response was lost', async () => {
    let lost = 0;
    // The call that does not learn of its last part: ECR has it, and the checkpoint not.
    api.fault = (operation) =>
      operation === 'UploadLayerPart' && ++lost > 4 ? { answer: { status: 500, body: {} }, after: true } : undefined;
    const result = await half().catch(() => undefined);
    api.fault = () => undefined;
    await rest(result?.checkpoint);
  });

  it('resumes at the offset of ECR when ECR has one more part', async () => {
    const { checkpoint } = await half();
    for (const [index, open] of checkpoint.open) {
      const upload = api.uploads.get(open.at);
      const digest = [...image.blobs.keys()].toSorted()[index] ?? '';
      const next = image.blobs.get(digest)?.subarray(open.offset, open.offset + partSize) ?? Buffer.alloc(0);
      if (upload) upload.bytes = Buffer.concat([upload.bytes, next]);
    }
    await rest(checkpoint);
    expect(api.received()).toBe(inParts - checkpoint.open.length * partSize);
  });

  it.each([
    ['has forgotten it', () => api.uploads.clear()],
    ['has less of it', () => api.uploads.forEach((upload) => (upload.bytes = upload.bytes.subarray(0, partSize)))],
    ['has other bytes of it', () => api.uploads.forEach((upload) => upload.bytes.fill(0))],
    ['has too small a part of it', () => api.uploads.forEach((upload) => upload.parts.splice(0, 1, 1))],
  ])('starts the layer again where ECR %s', async (_, change) => {
    const { checkpoint } = await half();
    change();
    await rest(checkpoint);
  });

  it('skips the rest of an upload when the layer exists', async () => {
    const { checkpoint } = await half();
    for (const [digest, content] of image.blobs) to.storage.putBlob(mirror, content, digest);
    const taken = api.received();
    await rest(checkpoint);
    expect(api.received()).toBe(taken);
  });

  it('never becomes a layer when its source has changed meanwhile', async () => {
    const { checkpoint } = await half();
    for (const digest of [large?.digest ?? '', medium?.digest ?? '']) {
      from.storage.deleteBlob(name, digest);
      from.storage.putBlob(name, Buffer.alloc(image.blobs.get(digest)?.length ?? 0), digest);
    }
    const failure = await errorOf(call(source, '1', destination, { bytes: 100 * MiB, layerUploads, checkpoint }));
    expect(failure.name).toBe('DigestMismatch');
    expect(api.completed).toEqual([]);
    expect(api.calls).not.toContain('CompleteLayerUpload');
  });
});

describe('an answer of ECR', () => {
  it('treats a layer that exists as success', async () => {
    api.fault = (called) => {
      // Another copy was faster, by a moment.
      if (called === 'CompleteLayerUpload')
        for (const [digest, content] of image.blobs) to.storage.putBlob(mirror, content, digest);
      return undefined;
    };
    await steps();
    expectWhole(to, mirror, image);
    expect(api.calls).toContain('CompleteLayerUpload');
    expect(api.completed).toEqual([]);
  });

  it.each([
    ['UploadLayerPart', 'UploadNotFoundException', 3],
    ['CompleteLayerUpload', 'InvalidLayerException', 1],
    ['CompleteLayerUpload', 'LayerPartTooSmallException', 1],
    ['CompleteLayerUpload', 'UploadNotFoundException', 1],
    ['UploadLayerPart', 'InvalidLayerPartException', 2],
  ])('starts the layer again when %s returns %s', async (operation, error, at) => {
    strike(operation, at, answer(error));
    await steps();
    expectWhole(to, mirror, image);
    expect(api.calls.filter((called) => called === 'InitiateLayerUpload')).toHaveLength(3);
  });

  it.each([
    ['InitiateLayerUpload', 'AccessDeniedException', 'RegistryForbidden'],
    ['UploadLayerPart', 'ThrottlingException', 'RegistryThrottled'],
    ['CompleteLayerUpload', 'KmsException', 'RegistryFailed'],
  ])('reports a failure of %s (%s) as %s, with the permission that it takes', async (operation, error, expected) => {
    api.fault = (called) => (called === operation ? answer(error) : undefined);
    const failure = await errorOf(steps());
    expect(failure.name).toBe(expected);
    expect(failure.message).toContain(error);
    expect(failure.message).toContain(host);
    if (expected === 'RegistryForbidden') expect(failure['hint']).toContain(`ecr:${operation}`);
  });

  it('fails when ECR refuses the layer of every new upload', async () => {
    api.fault = (called) => (called === 'CompleteLayerUpload' ? answer('InvalidLayerException') : undefined);
    expect(await errorOf(half({ bytes: 100 * MiB, checkpoint: (await half()).checkpoint }))).toMatchObject({
      name: 'RegistryFailed',
    });
  });

  it('stops an upload to ECR when its signal aborts', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    api.fault = (called) => {
      if (called === 'UploadLayerPart') controller.abort(reason);
      return undefined;
    };
    expect(await errorOf(half({ signal: controller.signal }))).toBe(reason);
  });
});

describe('ECR layer uploads', () => {
  it.each(['public.ecr.aws', 'docker.io', '123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example'])(
    'does not use the layer uploads of ECR for %s',
    (other) => {
      expect(ecrLayerUploads(api.config)(other)).toBeUndefined();
    },
  );

  it('sends no layer of more parts than ECR accepts', async () => {
    const { layer, ...uploads } = { layer: 0, ...layerUploads };
    expect(layer).toBe(0);
    expect(layerUploads.largestBlob).toBe(4_200 * 10 * MiB);
    const start = layerUploads.start.bind(layerUploads);
    const send = layerUploads.send.bind(layerUploads);
    const complete = layerUploads.complete.bind(layerUploads);
    await steps({ layerUploads: { ...uploads, start, send, complete, largestBlob: 10 } });
    expectWhole(to, mirror, image);
    expect(api.calls).toEqual([]);
  });
});
