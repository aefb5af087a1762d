import type { Problem } from '../errors.ts';
import { profileOf } from '../oci/registry/profile.ts';
import type { RegistryLocation } from '../oci/spec/reference.ts';
import { isArn, parseArn } from '../text/arn.ts';

/** https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html */
export const secretArn = /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+$/;

/** The settings that ECR_TOKEN_SECRET must go together with. */
interface TokenSecretSettings {
  ecrTokenSecret: string | undefined;
  registry: RegistryLocation | undefined;
  orgId: string | undefined;
  projectId: string | undefined;
  harnessApiKeySecret: string | undefined;
  registryCredentialsSecret: string | undefined;
  callbackUrlSecret: string | undefined;
  webhookTokenSecret: string | undefined;
}

/** Returns the problems of ECR_TOKEN_SECRET with other variables. */
export function tokenSecretProblems(settings: TokenSecretSettings): Problem[] {
  const { ecrTokenSecret, registry } = settings;
  if (ecrTokenSecret === undefined) return [];
  const problems = isArn(ecrTokenSecret)
    ? sharingProblems(ecrTokenSecret, settings)
    : scopeProblems(ecrTokenSecret, settings);
  if (registry !== undefined && profileOf(registry.registry).name !== 'ecr')
    problems.push({
      path: 'ECR_TOKEN_SECRET',
      found: 'a value',
      allowed: `nothing, because ${registry.registry} is not a private ECR registry`,
    });
  return problems;
}

/** Refuses a secret with another purpose, because a refresh replaces its value. */
function sharingProblems(arn: string, settings: TokenSecretSettings): Problem[] {
  const { harnessApiKeySecret, registryCredentialsSecret, callbackUrlSecret, webhookTokenSecret } = settings;
  const others = [harnessApiKeySecret, registryCredentialsSecret, callbackUrlSecret, webhookTokenSecret];
  if (!others.some((other) => other !== undefined && nameOf(other) === nameOf(arn))) return [];
  const found = 'a secret that another variable names';
  return [{ path: 'ECR_TOKEN_SECRET', found, allowed: 'a secret of its own, because its value is replaced' }];
}

/** Returns the name in a name or ARN, without the six characters that Secrets Manager appends to the ARN. */
function nameOf(nameOrArn: string): string {
  return isArn(nameOrArn) ? parseArn(nameOrArn).name.replace(/-[A-Za-z0-9]{6}$/, '') : nameOrArn;
}

function scopeProblems(reference: string, { orgId, projectId }: TokenSecretSettings): Problem[] {
  const isOfProject = !reference.includes('.');
  const problems: Problem[] = [];
  const demand = (path: string, allowed: string) => problems.push({ path, found: 'nothing', allowed });
  // A project without an organization is a problem of these two already.
  if (orgId === undefined && projectId === undefined && (isOfProject || reference.startsWith('org.')))
    demand('ORG_ID', `the organization of the secret ${reference}`);
  if (projectId === undefined && isOfProject)
    demand('PROJECT_ID', `the project of the secret ${reference}; one of the account is account.${reference}`);
  return problems;
}
