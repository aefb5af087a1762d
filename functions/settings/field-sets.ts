/**
 * Fields of Harness's configurations by purpose, as `include_sets` names them. The names of the fields are those of the
 * response on the page "Harness CI images" (https://developer.harness.io), of the IACM configuration in
 * harness/harness-go-sdk, and of the page on Database DevOps. As of 2026-11.
 *
 * Each field belongs to exactly one set. A field that Harness adds later belongs to none until it is added here.
 */
const fieldSets = {
  core: ['addonTag', 'addonTagRootless', 'gitCloneTag', 'liteEngineTag', 'liteEngineTagRootless'],
  'build-push': [
    'artifactoryUploadTag',
    'buildAndPushACRTag',
    'buildAndPushBuildxACRTag',
    'buildAndPushBuildxDockerRegistryTag',
    'buildAndPushBuildxECRTag',
    'buildAndPushBuildxGARTag',
    'buildAndPushBuildxGCRTag',
    'buildAndPushDockerRegistryTag',
    'buildAndPushECRTag',
    'buildAndPushGARTag',
    'buildAndPushGCRTag',
    'buildkitTag',
    'gcsUploadTag',
    'harUploadTag',
    's3UploadTag',
  ],
  cache: ['cacheAzureTag', 'cacheGCSTag', 'cacheProxyImage', 'cacheS3Tag', 'cacheTag'],
  sto: ['securityTag'],
  'supply-chain': [
    'deployAttestationTag',
    'enforceAttestationTag',
    'provenanceGcrTag',
    'provenanceTag',
    'slsaVerificationGcrTag',
    'slsaVerificationTag',
    'sscaAibomOrchestrationTag',
    'sscaArtifactSigningTag',
    'sscaArtifactVerificationTag',
    'sscaCdxgenOrchestrationTag',
    'sscaComplianceTag',
    'sscaEnforcementTag',
    'sscaJunitAttestationTag',
    'sscaOrchestrationTag',
    'sscaPrAttestationTag',
  ],
  iacm: [
    'iacmAnsible',
    'iacmAwsCdk',
    'iacmBlastRadiusAgent',
    'iacmCheckov',
    'iacmModuleTest',
    'iacmOpenTofu',
    'iacmRemediationAgent',
    'iacmTFCompliance',
    'iacmTFLint',
    'iacmTFSec',
    'iacmTerraform',
    'iacmTerragrunt',
  ],
  idp: [
    'cookieCutter',
    'createCatalog',
    'createOrganisation',
    'createProject',
    'createRepo',
    'createResource',
    'directPush',
    'registerCatalog',
    'slackNotify',
    'updateCatalogProperty',
  ],
  dbops: ['artifactoryTag', 'defaultTag', 'mongoTag', 'spannerTag'],
} as const satisfies Record<string, readonly string[]>;

export type FieldSet = keyof typeof fieldSets;

export const fieldSetNames = Object.keys(fieldSets) as FieldSet[];

export function fieldsOf(sets: readonly FieldSet[]): string[] {
  return sets.flatMap((set) => [...fieldSets[set]]);
}

/** Returns the set of a field; `undefined` for a field that Harness added after this list was written. */
export function setOf(field: string): FieldSet | undefined {
  return fieldSetNames.find((set) => fieldsOf([set]).includes(field));
}
