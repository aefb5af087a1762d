import type { Images, Infra, ModuleName } from './state.ts';

/** The images Harness ships, by module and infrastructure. IACM and IDP run on Kubernetes only. */
export type Defaults = Record<ModuleName, Record<Infra, Images>>;

/** A fresh copy for each server, so that `setDefault` in one test is not seen in another. */
export function officialDefaults(): Defaults {
  return structuredClone({ ci: { K8: ciK8, VM: ciVm }, iacm: { K8: iacm, VM: {} }, idp: { K8: idp('1.9.1'), VM: {} } });
}

/** Five of the IACM fields share an image, four are scanners. The tags float. */
const iacmTools: Images = {
  iacmTerraform: 'plugins/harness_terraform:latest',
  iacmTerragrunt: 'plugins/harness_terraform:latest',
  iacmAnsible: 'plugins/harness_terraform:latest',
  iacmOpenTofu: 'plugins/harness_terraform:latest',
  iacmModuleTest: 'plugins/harness_terraform:latest',
  iacmCheckov: 'plugins/harness_checkov:dev',
  iacmTFCompliance: 'plugins/harness_tf_compliance:dev',
  iacmTFLint: 'plugins/harness_tf_lint:dev',
  iacmTFSec: 'plugins/harness_tf_sec:dev',
};

const iacm: Images = { ...iacmTools, iacmAwsCdk: 'plugins/harness_aws_cdk:latest' };

/** The CI endpoint shows the same fields as the IDP endpoint, with floating tags. */
function idp(tag: string): Images {
  return {
    cookieCutter: `harness/cookiecutter:${tag}`,
    createRepo: `harness/createrepo:${tag}`,
    directPush: `harness/directpush:${tag}`,
    registerCatalog: `harness/registercatalog:${tag}`,
    createCatalog: `harness/createcatalog:${tag}`,
    slackNotify: `harness/slacknotify:${tag}`,
    createOrganisation: `harness/createorganisation:${tag}`,
    createProject: `harness/createproject:${tag}`,
    createResource: `harness/createresource:${tag}`,
    updateCatalogProperty: `harness/updatecatalogproperty:${tag}`,
  };
}

/** Fields of the documented answer, with the newest tag seen for each. */
const ciK8: Images = {
  addonTag: 'harness/ci-addon:1.18.22',
  liteEngineTag: 'harness/ci-lite-engine:1.18.22',
  addonTagRootless: 'harness/ci-addon:rootless-1.18.22',
  liteEngineTagRootless: 'harness/ci-lite-engine:rootless-1.18.22',
  gitCloneTag: 'harness/drone-git:1.7.25-rootless',
  buildAndPushDockerRegistryTag: 'plugins/kaniko:1.13.10',
  buildAndPushECRTag: 'plugins/kaniko-ecr:1.13.10',
  buildAndPushACRTag: 'plugins/kaniko-acr:1.13.10',
  buildAndPushGCRTag: 'plugins/kaniko-gcr:1.13.10',
  buildAndPushGARTag: 'plugins/kaniko-gar:1.11.1',
  buildAndPushBuildxDockerRegistryTag: 'plugins/buildx:1.3.26',
  buildAndPushBuildxECRTag: 'plugins/buildx-ecr:1.5.7',
  buildAndPushBuildxGARTag: 'plugins/buildx-gar:1.5.7',
  buildAndPushBuildxACRTag: 'plugins/buildx-acr:1.5.7',
  gcsUploadTag: 'plugins/gcs:1.6.12',
  s3UploadTag: 'plugins/s3:1.8.2',
  artifactoryUploadTag: 'plugins/artifactory:1.9.3',
  cacheGCSTag: 'plugins/cache:1.10.12',
  cacheS3Tag: 'plugins/cache:1.10.12',
  cacheProxyImage: 'harness/harness-cache-server:1.7.29',
  securityTag: 'harness/sto-plugin:latest',
  sscaOrchestrationTag: 'harness/ssca-plugin:0.67.0',
  sscaEnforcementTag: 'harness/ssca-plugin:0.67.0',
  sscaArtifactSigningTag: 'harness/ssca-artifact-signing-plugin:0.67.0',
  sscaArtifactVerificationTag: 'harness/ssca-artifact-signing-plugin:0.67.0',
  sscaCdxgenOrchestrationTag: 'harness/ssca-cdxgen-plugin:0.67.0',
  sscaComplianceTag: 'harness/ssca-compliance-plugin:0.67.0',
  provenanceTag: 'harness/slsa-plugin:0.67.0',
  slsaVerificationTag: 'harness/slsa-plugin:0.67.0',
  ...iacmTools,
  ...idp('latest'),
};

/**
 * Synthetic: no complete VM answer newer than 2023 is public. The fields are those of 2023, with the proxy cache and
 * SLSA verification that newer code adds; the tags are today's for the same images.
 */
const ciVm: Images = {
  gitCloneTag: 'harness/drone-git:1.7.25',
  buildAndPushDockerRegistryTag: 'plugins/docker:21.3.3',
  buildAndPushECRTag: 'plugins/ecr:21.3.3',
  buildAndPushACRTag: 'plugins/acr:21.3.3',
  buildAndPushGCRTag: 'plugins/gcr:21.3.3',
  buildAndPushGARTag: 'plugins/gar:21.3.3',
  gcsUploadTag: 'plugins/gcs:1.6.12',
  s3UploadTag: 'plugins/s3:1.8.2',
  artifactoryUploadTag: 'plugins/artifactory:1.9.3',
  cacheGCSTag: 'plugins/cache:1.10.12',
  cacheS3Tag: 'plugins/cache:1.10.12',
  cacheProxyImage: 'harness/harness-cache-server:1.7.29',
  securityTag: 'harness/sto-plugin:latest',
  sscaOrchestrationTag: 'harness/ssca-plugin:0.67.0',
  sscaEnforcementTag: 'harness/ssca-plugin:0.67.0',
  slsaVerificationTag: 'harness/slsa-plugin:0.67.0',
};
