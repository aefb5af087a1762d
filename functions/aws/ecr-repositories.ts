import {
  BatchDeleteImageCommand,
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  type ECRClient,
  GetAccountSettingCommand,
  type ImageFailure,
  type ImageTagMutability,
  paginateListImages,
  PutLifecyclePolicyCommand,
  RepositoryAlreadyExistsException,
  RepositoryNotFoundException,
} from '@aws-sdk/client-ecr';
import { FactoryError } from '../errors.ts';
import { type Digest, isDigest } from '../oci/spec/digest.ts';
import type { RepositoryAdministration } from '../oci/registry/repository-administration.ts';
import { tagLimit } from '../oci/registry/tags.ts';
import { EcrClients, type EcrConfig, ecrFailure } from './ecr.ts';

/** Settings of repositories that are created. Existing ones stay as they are. */
export interface RepositorySettings {
  /** `false` leaves missing repositories to ECR's own creation on push, or to people. Default: `true`. */
  create?: boolean | undefined;
  tagMutability?: ImageTagMutability | undefined;
  /** Tags that `…_WITH_EXCLUSION` leaves out; `*` stands for any characters. */
  mutabilityExclusions?: readonly string[] | undefined;
  /** In place of ECR's own encryption. */
  kmsKey?: string | undefined;
  /** Tags beyond which ECR expires the oldest. */
  keepVersions?: number | undefined;
  tags?: Readonly<Record<string, string>> | undefined;
}

/** Creates repositories and deletes images in ECR, which the OCI protocol cannot do there. Ignores other registries. */
export class EcrRepositories implements RepositoryAdministration {
  readonly #clients: EcrClients;
  readonly #settings: RepositorySettings;

  /** `config` (endpoint, credentials) is for tests; on AWS the role of the function counts. */
  constructor(config: EcrConfig = {}, settings: RepositorySettings = {}) {
    // A rule that cannot be set when a repository is made is not set later.
    this.#clients = new EcrClients({ maxAttempts: 5, ...config });
    this.#settings = settings;
  }

  /**
   * Creates the repository if it is missing: ECR accepts a push only where there is one, unless a template of the
   * registry has it created on push. Returns whether it did. Throws `RegistryForbidden` when that is not allowed, of
   * which the push may know better, and `RegistryUnauthorized`, `RegistryThrottled`, `RegistryUnreachable`,
   * `RegistryFailed`.
   */
  async ensure(host: string, repository: string): Promise<boolean> {
    const registry = this.#clients.at(host);
    if (!registry || this.#settings.create === false) return false;
    const { client } = registry;
    const address = { registryId: registry.accountId };
    let isMissing = false;
    try {
      // Asked first, so that repositories made beforehand need no permission to create any.
      await client.send(new DescribeRepositoriesCommand({ ...address, repositoryNames: [repository] }));
      return false;
    } catch (error) {
      isMissing = error instanceof RepositoryNotFoundException;
      const failure = ecrFailure(
        `look up ${host}/${repository}`,
        'ecr:DescribeRepositories and ecr:CreateRepository',
        error,
      );
      // Whoever may not look may still create, unless nobody can be asked.
      if (error instanceof FactoryError || (!isMissing && failure.name !== 'RegistryForbidden')) throw failure;
    }
    return this.#create(client, host, { ...address, repositoryName: repository }, isMissing);
  }

  async #create(
    client: ECRClient,
    host: string,
    repository: { registryId: string; repositoryName: string },
    isMissing: boolean,
  ): Promise<boolean> {
    const { tagMutability = 'MUTABLE', mutabilityExclusions = [], kmsKey, tags = {} } = this.#settings;
    const name = `${host}/${repository.repositoryName}`;
    const tagList = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    // Before there is a repository too: who may not set its rule would make one that never gets it. One that may be
    // there keeps the rule that it has.
    if (isMissing) await this.#setRule(client, name, repository, false);
    try {
      await client.send(
        new CreateRepositoryCommand({
          ...repository,
          imageScanningConfiguration: { scanOnPush: true },
          imageTagMutability: tagMutability,
          ...(mutabilityExclusions.length > 0 && {
            imageTagMutabilityExclusionFilters: mutabilityExclusions.map((filter) => ({
              filterType: 'WILDCARD' as const,
              filter,
            })),
          }),
          ...(kmsKey !== undefined && { encryptionConfiguration: { encryptionType: 'KMS', kmsKey } }),
          // Asked for without any, they would take a permission all the same.
          ...(tagList.length > 0 && { tags: tagList }),
        }),
      );
    } catch (error) {
      if (error instanceof RepositoryAlreadyExistsException) return false; // by another copy, a moment ago
      throw ecrFailure(`create ${name}`, 'ecr:CreateRepository, ecr:TagResource, and kms:CreateGrant on a key', error);
    }
    await this.#setRule(client, name, repository, true);
    return true;
  }

  async #setRule(
    client: ECRClient,
    name: string,
    repository: { registryId: string; repositoryName: string },
    isThere: boolean,
  ): Promise<void> {
    const { keepVersions } = this.#settings;
    if (keepVersions === undefined) return;
    try {
      const lifecyclePolicyText = JSON.stringify(lifecyclePolicy(keepVersions));
      await client.send(new PutLifecyclePolicyCommand({ ...repository, lifecyclePolicyText }));
    } catch (error) {
      if (!isThere && error instanceof RepositoryNotFoundException) return;
      throw ecrFailure(`set the lifecycle rule of ${name}`, 'ecr:PutLifecyclePolicy', error);
    }
  }

  /** Returns how to enable cross-repository mounts, or `undefined` when they are enabled or the setting is unknown. */
  async adviceOnMounts(host: string): Promise<string | undefined> {
    const registry = this.#clients.at(host);
    if (!registry) return undefined;
    try {
      const { value } = await registry.client.send(new GetAccountSettingCommand({ name: 'BLOB_MOUNTING' }));
      // The response describes the caller's account only.
      const isDisabled = value === 'DISABLED' && (await this.#clients.areOf(registry));
      return isDisabled ? mountCommand(registry.region) : undefined;
    } catch {
      // Whose role may not ask copies as before.
      return undefined;
    }
  }

  /**
   * Reads the tags of a repository with their digests. Returns `undefined` when `host` is not ECR. Throws like
   * `ensure`, and `RegistryFailed` for more tags than are read.
   */
  async tags(host: string, repository: string): Promise<Map<string, Digest> | undefined> {
    const registry = this.#clients.at(host);
    if (!registry) return undefined;
    const tags = new Map<string, Digest>();
    const doing = `list the tags of ${host}/${repository}`;
    try {
      const pages = paginateListImages(
        { client: registry.client, pageSize: 1_000 },
        { registryId: registry.accountId, repositoryName: repository, filter: { tagStatus: 'TAGGED' } },
      );
      for await (const { imageIds = [] } of pages) {
        for (const { imageTag, imageDigest } of imageIds)
          if (imageTag !== undefined && imageDigest !== undefined && isDigest(imageDigest))
            tags.set(imageTag, imageDigest);
        if (tags.size > tagLimit) throw new RangeError(`there are more than ${tagLimit}`);
      }
    } catch (error) {
      // A repository that is gone took its tags with it.
      if (!(error instanceof RepositoryNotFoundException)) throw ecrFailure(doing, 'ecr:ListImages', error);
    }
    return tags;
  }

  /**
   * Deletes images by digest or tag, in the order given. A tag goes alone while others point at its image. Returns what
   * ECR keeps because an index refers to it, with its reason; `false`, having done nothing, when `host` is not ECR.
   * Images that are gone already are no error. Throws like `ensure`.
   */
  async deleteImages(
    host: string,
    repository: string,
    references: readonly string[],
  ): Promise<Map<string, string> | false> {
    const registry = this.#clients.at(host);
    if (!registry) return false;
    const address = { registryId: registry.accountId, repositoryName: repository };
    const kept = new Map<string, string>();
    try {
      for (let start = 0; start < references.length; start += imagesPerRequest) {
        const imageIds = references
          .slice(start, start + imagesPerRequest)
          // No tag has a colon.
          .map((reference) => (reference.includes(':') ? { imageDigest: reference } : { imageTag: reference }));
        const { failures = [] } = await registry.client.send(new BatchDeleteImageCommand({ ...address, imageIds }));
        const refused = failures.filter(({ failureCode }) => failureCode !== 'ImageNotFound');
        const other = refused.find(({ failureCode }) => failureCode !== 'ImageReferencedByManifestList');
        if (other) throw new Error(refused.map(describeFailure).join('; '));
        for (const failure of refused) kept.set(nameOf(failure), describeFailure(failure));
      }
    } catch (error) {
      // A repository that is gone took its images with it.
      if (!(error instanceof RepositoryNotFoundException))
        throw ecrFailure(`delete images of ${host}/${repository}`, 'ecr:BatchDeleteImage', error);
    }
    return kept;
  }
}

function nameOf({ imageId }: ImageFailure): string {
  return imageId?.imageTag ?? imageId?.imageDigest ?? '';
}

function describeFailure(failure: ImageFailure): string {
  return `${nameOf(failure)} ${failure.failureCode}: ${failure.failureReason}`;
}

/** The most that BatchDeleteImage takes. */
const imagesPerRequest = 100;

/**
 * Only what has a tag: images under their digest alone may be pinned, or await their tag, and those of an index are
 * kept by it (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html).
 */
function lifecyclePolicy(keepVersions: number): object {
  const selection = {
    tagStatus: 'tagged',
    tagPatternList: ['*'],
    countType: 'imageCountMoreThan',
    countNumber: keepVersions,
  };
  const description = `Keeps the ${keepVersions} tags pushed last`;
  return { rules: [{ rulePriority: 1, description, selection, action: { type: 'expire' } }] };
}

function mountCommand(region: string): string {
  return `aws ecr put-account-setting --name BLOB_MOUNTING --value ENABLED --region ${region}`;
}
