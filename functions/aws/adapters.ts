import { inOrder } from '../oci/registry/auth/credentials.ts';
import { EcrCredentials } from './ecr.ts';
import { ecrLayerUploads } from './ecr-layer-uploads.ts';
import { EcrPublicCredentials } from './ecr-public.ts';
import { EcrRepositories, type RepositorySettings } from './ecr-repositories.ts';
import { ecrScans } from './ecr-scans.ts';

interface AdapterSettings {
  ecrRoleArn: string | undefined;
  /** Set by the construct for each function. */
  ecrSessionPolicy?: string | undefined;
  ecrCreateRepositories: boolean;
  ecrTagMutability: RepositorySettings['tagMutability'];
  ecrTagMutabilityExclude: readonly string[];
  ecrKmsKey: string | undefined;
  ecrKeepVersions: number | undefined;
  ecrTags: Record<string, string>;
}

/** Returns the AWS adapters of a runtime, on Lambda and locally: registry credentials, repositories, scans. */
export function awsAdapters(settings: AdapterSettings) {
  const repositories: RepositorySettings = {
    create: settings.ecrCreateRepositories,
    tagMutability: settings.ecrTagMutability,
    mutabilityExclusions: settings.ecrTagMutabilityExclude,
    kmsKey: settings.ecrKmsKey,
    keepVersions: settings.ecrKeepVersions,
    tags: settings.ecrTags,
  };
  const ecr = { roleArn: settings.ecrRoleArn, sessionPolicy: settings.ecrSessionPolicy };
  return {
    credentials: inOrder(new EcrCredentials(ecr), new EcrPublicCredentials()),
    repositories: new EcrRepositories(ecr, repositories),
    layerUploads: ecrLayerUploads(ecr),
    scans: ecrScans(ecr),
  };
}
