import { EcrCredentials } from './ecr.ts';
import { EcrLayerUploads } from './ecr-layer-uploads.ts';
import { EcrRepositories, type RepositorySettings } from './ecr-repositories.ts';
import { EcrScans } from './ecr-scans.ts';
import { Template } from './template.ts';

/** The settings of a deployment that AWS's adapters go by. */
interface AdapterSettings {
  ecrRoleArn: string | undefined;
  /** Set by the construct for each function. */
  ecrSessionPolicy?: string | undefined;
  ecrTagMutability: RepositorySettings['tagMutability'];
  ecrKmsKey: string | undefined;
  ecrKeepVersions: number | undefined;
  ecrTags: Record<string, string>;
}

/** What a runtime needs of AWS for its registries and templates, wherever it runs. */
export function awsAdapters(settings: AdapterSettings) {
  const { ecrTagMutability: tagMutability, ecrKmsKey: kmsKey, ecrKeepVersions: keepVersions, ecrTags: tags } = settings;
  const ecr = { roleArn: settings.ecrRoleArn, sessionPolicy: settings.ecrSessionPolicy };
  const layerUploads = new EcrLayerUploads(ecr);
  const scans = new EcrScans(ecr);
  return {
    credentials: new EcrCredentials(ecr),
    repositories: new EcrRepositories(ecr, { tagMutability, kmsKey, keepVersions, tags }),
    layerUploads: (registry: string) => layerUploads.of(registry),
    scans: (registry: string) => scans.of(registry),
    template: (arn: string) => new Template(arn),
  };
}
