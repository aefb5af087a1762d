import {
  CompleteLayerUploadCommand,
  EmptyUploadException,
  InitiateLayerUploadCommand,
  InvalidLayerException,
  InvalidLayerPartException,
  LayerAlreadyExistsException,
  LayerPartTooSmallException,
  RepositoryNotFoundException,
  UploadLayerPartCommand,
  UploadNotFoundException,
} from '@aws-sdk/client-ecr';
import { type LayerPart, type LayerUpload, type LayerUploads, UploadLost } from '../oci/copy/part-sink.ts';
import { EcrClients, type EcrConfig, ecrFailure, type EcrRegistry } from './ecr.ts';

/** https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html: 4,200 parts of 10 MiB. */
const largestBlob = 4_200 * 10 * 1024 * 1024;

/**
 * Returns the uploads in parts to private ECR registries, by the API behind ECR's OCI endpoint, which itself cannot be
 * resumed (https://github.com/aws/containers-roadmap/issues/2831). `config` (endpoint, credentials) is for tests; on AWS
 * the role of the function counts.
 */
export function ecrLayerUploads(config: EcrConfig = {}): (host: string) => LayerUploads | undefined {
  const clients = new EcrClients({ maxAttempts: 5, ...config });
  return (host) => {
    const registry = clients.at(host);
    return registry && new RegistryLayerUploads(registry);
  };
}

class RegistryLayerUploads implements LayerUploads {
  readonly largestBlob = largestBlob;
  readonly #registry: EcrRegistry;

  constructor(registry: EcrRegistry) {
    this.#registry = registry;
  }

  async start(repository: string, signal?: AbortSignal): Promise<LayerUpload | undefined> {
    const command = new InitiateLayerUploadCommand(this.#in(repository));
    return this.#attempt(`start an upload to ${repository}`, 'ecr:InitiateLayerUpload', signal, async (options) => {
      try {
        const { uploadId, partSize } = await this.#registry.client.send(command, options);
        if (!uploadId || !partSize) throw new Error('the response holds no upload');
        return { id: uploadId, partBytes: partSize };
      } catch (error) {
        if (error instanceof RepositoryNotFoundException) return undefined;
        throw error;
      }
    });
  }

  async send({ repository, id, bytes, offset }: LayerPart, signal?: AbortSignal): Promise<number> {
    const command = new UploadLayerPartCommand({
      ...this.#in(repository),
      uploadId: id,
      partFirstByte: offset,
      partLastByte: offset + bytes.length - 1,
      layerPartBlob: bytes,
    });
    return this.#attempt(`push a layer to ${repository}`, 'ecr:UploadLayerPart', signal, async (options) => {
      try {
        const { lastByteReceived } = await this.#registry.client.send(command, options);
        return (lastByteReceived ?? -1) + 1;
      } catch (error) {
        // The error reports the last byte received. After a lost response, that is the end of this part.
        if (error instanceof InvalidLayerPartException) return (error.lastValidByteReceived ?? -1) + 1;
        throw error;
      }
    });
  }

  async complete(
    { repository, id }: Pick<LayerPart, 'repository' | 'id'>,
    digest: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const command = new CompleteLayerUploadCommand({
      ...this.#in(repository),
      uploadId: id,
      layerDigests: [digest],
    });
    await this.#attempt(`push layer ${digest} to ${repository}`, 'ecr:CompleteLayerUpload', signal, async (options) => {
      try {
        await this.#registry.client.send(command, options);
      } catch (error) {
        // Another copy uploaded the layer, or this request did before its response was lost.
        if (!(error instanceof LayerAlreadyExistsException)) throw error;
      }
    });
  }

  #in(repository: string): { registryId: string; repositoryName: string } {
    return { registryId: this.#registry.accountId, repositoryName: repository };
  }

  async #attempt<T>(
    action: string,
    permission: string,
    signal: AbortSignal | undefined,
    work: (options: { abortSignal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    try {
      return await work(signal ? { abortSignal: signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      const failure = ecrFailure(`${action} at ${this.#registry.host}`, permission, error);
      throw heals.some((kind) => error instanceof kind) ? new UploadLost(failure) : failure;
    }
  }
}

/** Errors after which the upload starts again: ECR lost the upload, or its bytes are not those of the layer. */
const heals = [
  EmptyUploadException,
  InvalidLayerException,
  LayerPartTooSmallException,
  UploadNotFoundException,
] as const;
