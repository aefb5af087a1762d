import type { Problem } from '../errors.ts';
import { type ObjectRef, parseObjectRef } from '../harness/object-ref.ts';
import { isArn } from '../text/arn.ts';
import { type Configuration, type Environment, readConfiguration, refuse } from './configuration.ts';

export type TokenSecret =
  { kind: 'secrets-manager'; arn: string } | { kind: 'harness'; reference: string; ref: ObjectRef };

export interface EcrTokenSettings {
  configuration: Configuration;
  registry: string;
  secret: TokenSecret;
}

/** Reads the settings from environment variables. Throws `InvalidConfiguration` with every problem at once. */
export function parseEcrTokenSettings(environment: Environment): EcrTokenSettings {
  const problems: Problem[] = [];
  const isInAws = isArn(environment['ECR_TOKEN_SECRET']?.trim() ?? '');
  // Harness is not called for a secret in AWS, so no API key is needed.
  const configuration = readConfiguration(
    { ...(isInAws && { HARNESS_API_KEY_SECRET: 'none' }), ...environment },
    problems,
  );
  const { registry, ecrTokenSecret, orgId, projectId } = configuration;
  const listed = new Set(problems.map(({ path }) => path));
  const demand = (path: string, allowed: string) => {
    if (!listed.has(path)) problems.push({ path, found: 'nothing', allowed });
  };
  if (registry === undefined) demand('REGISTRY_NAME', 'the private ECR registry, as host[/prefix]');
  if (ecrTokenSecret === undefined)
    demand('ECR_TOKEN_SECRET', 'the identifier of a Harness text secret, or the ARN of a Secrets Manager secret');
  refuse(problems);
  if (registry === undefined || ecrTokenSecret === undefined) throw new TypeError('a missing variable was not refused');
  const secret: TokenSecret = isInAws
    ? { kind: 'secrets-manager', arn: ecrTokenSecret }
    : { kind: 'harness', reference: ecrTokenSecret, ref: parseObjectRef(ecrTokenSecret, orgId, projectId) };
  return { configuration, registry: registry.registry, secret };
}
