import type { Images } from '../state.ts';
import type { Profile } from './profile.ts';

/**
 * Harness SaaS of 2023, from the public code and configuration of that year (harness-core, CIExecutionImages and
 * ci-manager-config.yml). No source of that year shows an endpoint of IACM, IDP or Database DevOps.
 *
 * VM's `gitCloneTag` was stored and shown, and then ignored: git clone on VM used the default of the service. So an
 * override of it changes nothing that this API could show.
 */

const supplyChain: Images = {
  sscaOrchestrationTag: 'harness/ssca-plugin:0.11.0',
  sscaEnforcementTag: 'harness/ssca-plugin:0.11.0',
  slsaVerificationTag: 'harness/slsa-plugin:0.11.0',
};

const ciK8: Images = {
  addonTag: 'harness/ci-addon:1.16.20',
  liteEngineTag: 'harness/ci-lite-engine:1.16.20',
  gitCloneTag: 'harness/drone-git:1.3.4-rootless',
  buildAndPushDockerRegistryTag: 'plugins/kaniko:1.7.5',
  buildAndPushECRTag: 'plugins/kaniko-ecr:1.7.5',
  buildAndPushACRTag: 'plugins/kaniko-acr:1.7.5',
  buildAndPushGCRTag: 'plugins/kaniko-gcr:1.7.5',
  // No mistake here: the default for GAR was the image for GCR.
  buildAndPushGARTag: 'plugins/kaniko-gcr:1.7.5',
  gcsUploadTag: 'plugins/gcs:1.4.0',
  s3UploadTag: 'plugins/s3:1.2.3',
  artifactoryUploadTag: 'plugins/artifactory:1.4.4',
  cacheGCSTag: 'plugins/cache:1.5.9',
  cacheS3Tag: 'plugins/cache:1.5.9',
  securityTag: 'harness/sto-plugin:latest',
  ...supplyChain,
  provenanceTag: 'harness/slsa-plugin:0.11.0',
  provenanceGcrTag: 'harness/slsa-plugin-gcr:0.11.0',
  slsaVerificationGcrTag: 'harness/slsa-plugin-gcr:0.11.0',
};

const ciVm: Images = {
  gitCloneTag: 'harness/drone-git:1.4.9',
  buildAndPushDockerRegistryTag: 'plugins/docker:20.17.1',
  buildAndPushECRTag: 'plugins/ecr:20.17.1',
  buildAndPushACRTag: 'plugins/acr:20.17.1',
  buildAndPushGCRTag: 'plugins/gcr:20.17.1',
  buildAndPushGARTag: 'plugins/gar:20.17.1',
  gcsUploadTag: 'plugins/gcs:1.5.1',
  s3UploadTag: 'plugins/s3:1.2.9',
  artifactoryUploadTag: 'plugins/artifactory:1.4.8',
  cacheGCSTag: 'plugins/cache:1.6.5',
  cacheS3Tag: 'plugins/cache:1.6.5',
  securityTag: 'harness/sto-plugin:latest',
  ...supplyChain,
};

export const saas2023: Profile = {
  defaults: { ci: { K8: ciK8, VM: ciVm }, iacm: {}, idp: {} },
  quirks: {
    nonWritableFields: ['ci/VM/slsaVerificationTag'],
    overlaySkipsSupplyChain: true,
    versionsMustParse: true,
  },
};
