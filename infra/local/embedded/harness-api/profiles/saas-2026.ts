import type { Images } from '../state.ts';
import type { Profile } from './profile.ts';

/**
 * Harness SaaS of late 2026. The sources of the field names:
 * - "docs": the response on the page "Harness CI images" (harness/developer-hub).
 * - "sdk": the response of the IACM service in the SDK (harness/harness-go-sdk, IacmExecutionConfig).
 * - "service": ci-manager reads the image from its configuration, under a name such as `sscaPrAttestationConfig`. The
 *   JSON key of the API is derived from that name and UNVERIFIED.
 * The tags are the newest that were seen for each image.
 */

/** Keys: docs; `iacmAwsCdk`: sdk. Five of the fields share an image, four are scanners. The tags float. */
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
  iacmAwsCdk: 'plugins/harness_aws_cdk:latest',
};

/** Keys: service (`iacmBlastRadiusAgentConfig`, …), UNVERIFIED. The namespace is that of the other tools. */
const iacmAgents: Images = {
  iacmBlastRadiusAgent: 'plugins/harness_blast_radius_agent:dev',
  iacmRemediationAgent: 'plugins/harness_remediation_agent:dev',
};

/** Keys: docs. The CI endpoint shows the same fields as the IDP endpoint, with floating tags. */
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

/** Keys: docs. */
const supplyChain: Images = {
  sscaOrchestrationTag: 'harness/ssca-plugin:0.67.0',
  sscaEnforcementTag: 'harness/ssca-plugin:0.67.0',
  sscaArtifactSigningTag: 'harness/ssca-artifact-signing-plugin:0.67.0',
  sscaArtifactVerificationTag: 'harness/ssca-artifact-signing-plugin:0.67.0',
  sscaCdxgenOrchestrationTag: 'harness/ssca-cdxgen-plugin:0.67.0',
  sscaComplianceTag: 'harness/ssca-compliance-plugin:0.67.0',
  provenanceTag: 'harness/slsa-plugin:0.67.0',
  slsaVerificationTag: 'harness/slsa-plugin:0.67.0',
};

/** Keys: service (`sscaPrAttestationConfig`, …), UNVERIFIED. The image of the attestation steps is an assumption. */
const attestations: Images = {
  sscaPrAttestationTag: 'harness/ssca-attestation-plugin:0.67.0',
  sscaJunitAttestationTag: 'harness/ssca-attestation-plugin:0.67.0',
  sscaAibomOrchestrationTag: 'harness/ssca-ai-bom-plugin:latest',
  enforceAttestationTag: 'harness/ssca-attestation-plugin:0.67.0',
  deployAttestationTag: 'harness/ssca-attestation-plugin:0.67.0',
};

/** Keys: docs; `harUploadTag`, `cacheAzureTag`, `cacheTag`: sdk. */
const uploadsAndCaches: Images = {
  gcsUploadTag: 'plugins/gcs:1.6.12',
  s3UploadTag: 'plugins/s3:1.8.2',
  artifactoryUploadTag: 'plugins/artifactory:1.9.3',
  harUploadTag: 'plugins/har-plugin:1.0.6',
  cacheGCSTag: 'plugins/cache:1.10.12',
  cacheS3Tag: 'plugins/cache:1.10.12',
  cacheAzureTag: 'plugins/cache:1.10.12',
  cacheTag: 'plugins/cache:1.10.12',
  cacheProxyImage: 'harness/harness-cache-server:1.7.29',
};

/** Keys: docs. */
const buildx: Images = {
  buildAndPushBuildxDockerRegistryTag: 'plugins/buildx:1.3.26',
  buildAndPushBuildxECRTag: 'plugins/buildx-ecr:1.5.7',
  buildAndPushBuildxGARTag: 'plugins/buildx-gar:1.5.7',
  buildAndPushBuildxACRTag: 'plugins/buildx-acr:1.5.7',
};

/** Key: service (`buildkitConfig`), UNVERIFIED. */
const buildkit: Images = { buildkitTag: 'harness/buildkit:1.0.19' };

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
  ...buildx,
  // Key: service (`buildAndPushBuildxGCRConfig`), UNVERIFIED.
  buildAndPushBuildxGCRTag: 'plugins/buildx-gcr:1.5.5',
  ...uploadsAndCaches,
  securityTag: 'harness/sto-plugin:latest',
  ...supplyChain,
  ...attestations,
  ...iacmTools,
  ...iacmAgents,
  ...idp('latest'),
  ...buildkit,
};

/**
 * Synthetic: no complete VM response newer than 2023 is public. The fields are those that the configuration of
 * ci-manager has for VM, and those of IACM, which newer code writes for VM too.
 */
const ciVm: Images = {
  gitCloneTag: 'harness/drone-git:1.7.25',
  buildAndPushDockerRegistryTag: 'plugins/docker:21.3.3',
  buildAndPushECRTag: 'plugins/ecr:21.3.3',
  buildAndPushACRTag: 'plugins/acr:21.3.3',
  buildAndPushGCRTag: 'plugins/gcr:21.3.3',
  buildAndPushGARTag: 'plugins/gar:21.3.3',
  ...buildx,
  ...uploadsAndCaches,
  securityTag: 'harness/sto-plugin:latest',
  ...supplyChain,
  ...attestations,
  ...iacmTools,
  ...iacmAgents,
  ...buildkit,
};

/** The response on the page of Database DevOps (harness/developer-hub). Fields of Flyway are not public. */
const dbops: Images = {
  artifactoryTag: 'plugins/download-artifactory:1.0.0',
  defaultTag: 'plugins/drone-liquibase:1.18.0-4.33',
  gitCloneTag: 'harness/drone-git:1.6.4-rootless',
  mongoTag: 'plugins/drone-liquibase:1.18.0-4.33-mongo',
  spannerTag: 'plugins/drone-liquibase:1.18.0-4.33-spanner',
};

export const saas2026: Profile = {
  defaults: {
    ci: { K8: ciK8, VM: ciVm },
    // sdk: the whole CI set is there beside the fields of IACM.
    iacm: { K8: ciK8 },
    idp: { K8: idp('1.9.1') },
    dbops,
  },
  quirks: {},
};
