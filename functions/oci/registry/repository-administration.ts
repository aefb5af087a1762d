import type { Digest } from '../spec/digest.ts';

/** Operations of registries that the OCI API lacks: creating repositories, deleting images by another call. */
export interface RepositoryAdministration {
  /** Creates the repository where a push does not. Returns `true` when it was created, and is empty. */
  ensure(registry: string, repository: string): Promise<boolean | undefined>;
  /** Returns advice on how to let the registry mount blobs; `undefined` when it does, or when this is unknown. */
  adviceOnMounts?(registry: string): Promise<string | undefined>;
  /** Reads the tags of a repository with their digests; `undefined` when the OCI API has to do it. */
  tags?(registry: string, repository: string): Promise<ReadonlyMap<string, Digest> | undefined>;
  /**
   * Deletes images by digest, or tags alone, where the OCI API cannot. Returns what the registry keeps and why; `false`
   * when the OCI API has to do it.
   */
  deleteImages(
    registry: string,
    repository: string,
    references: readonly string[],
  ): Promise<ReadonlyMap<string, string> | false>;
}
