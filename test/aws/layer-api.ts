import { createHash, randomUUID } from 'node:crypto';
import type { Registry } from '../../infra/local/embedded/registry/server.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';

/** An upload at the API of ECR. */
interface LayerUpload {
  repository: string;
  bytes: Buffer;
  parts: number[];
}

export interface LayerApi {
  config: object;
  uploads: Map<string, LayerUpload>;
  /** Operations, in order. */
  calls: string[];
  /** Bytes of parts that were taken. */
  received(): number;
  /** Layers that were completed, by digest. */
  completed: string[];
  /** Asked before each call; an answer that it gives is given in the API's place, before or after the call's effect. */
  fault: (operation: string) => { answer: Answer; after?: boolean } | undefined;
  close(): Promise<void>;
}

const MiB = 1024 * 1024;
/**
 * API_InitiateLayerUpload: the client is to send parts of this size; API_UploadLayerPart: all but the last at least 5
 * MiB.
 */
const smallestPart = 5 * MiB;

/**
 * The three calls of ECR's API that a layer is uploaded by, which moto has not. Faithful to the API reference: parts
 * follow each other, a refusal names the last valid byte, and a layer is checked when it is completed. Layers end
 * up in the embedded registry beside it, as they do at ECR.
 */
export async function startLayerApi(registry: Registry, { partSize = smallestPart } = {}): Promise<LayerApi> {
  const uploads = new Map<string, LayerUpload>();
  const completed: string[] = [];
  const calls: string[] = [];
  let taken = 0;
  const least = Math.min(smallestPart, partSize);

  const error = (name: string, more: object = {}): Answer => ({
    status: 400,
    body: { __type: name, message: `${name} of a test`, ...more },
  });

  function perform(operation: string, input: Record<string, unknown>): Answer {
    const repository = String(input['repositoryName']);
    if (!registry.storage.hasRepository(repository)) return error('RepositoryNotFoundException');
    if (operation === 'InitiateLayerUpload') {
      const uploadId = randomUUID();
      uploads.set(uploadId, { repository, bytes: Buffer.alloc(0), parts: [] });
      return { status: 200, body: { uploadId, partSize } };
    }
    const uploadId = String(input['uploadId']);
    const upload = uploads.get(uploadId);
    if (upload?.repository !== repository) return error('UploadNotFoundException');
    if (operation === 'UploadLayerPart') {
      const part = Buffer.from(String(input['layerPartBlob']), 'base64');
      const first = Number(input['partFirstByte']);
      if (first !== upload.bytes.length || Number(input['partLastByte']) !== first + part.length - 1)
        return error('InvalidLayerPartException', { uploadId, lastValidByteReceived: upload.bytes.length - 1 });
      upload.bytes = Buffer.concat([upload.bytes, part]);
      upload.parts.push(part.length);
      taken += part.length;
      return { status: 200, body: { uploadId, lastByteReceived: upload.bytes.length - 1 } };
    }
    if (upload.parts.length === 0) return error('EmptyUploadException');
    if (upload.parts.slice(0, -1).some((bytes) => bytes < least)) return error('LayerPartTooSmallException');
    const [digest] = input['layerDigests'] as string[];
    if (digest === undefined || digest !== `sha256:${createHash('sha256').update(upload.bytes).digest('hex')}`)
      return error('InvalidLayerException');
    if (registry.storage.blob(repository, digest)) return error('LayerAlreadyExistsException');
    registry.storage.putBlob(repository, upload.bytes);
    completed.push(digest);
    uploads.delete(uploadId);
    return { status: 200, body: { uploadId, layerDigest: digest } };
  }

  const api: LayerApi = {
    config: {},
    uploads,
    calls,
    completed,
    received: () => taken,
    fault: () => undefined,
    close: async () => aws.close(),
  };
  const aws = await startScriptedAws((operation, input) => {
    calls.push(operation);
    const fault = api.fault(operation);
    if (fault && !fault.after) return fault.answer;
    const answer = perform(operation, input as Record<string, unknown>);
    return fault?.answer ?? answer;
  });
  api.config = aws.config;
  return api;
}
