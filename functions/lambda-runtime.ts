import { log } from './call-log.ts';
import { FactoryError } from './errors.ts';
import { anonymous, type CredentialProvider, firstOf } from './oci/auth/credentials.ts';
import { dockerConfigCredentials } from './oci/auth/docker-config.ts';
import { Runtime, type RuntimeParts } from './runtime.ts';
import { type Environment, parseConfiguration } from './settings/configuration.ts';
import { awsAdapters } from './aws/adapters.ts';
import { S3ObjectStore } from './aws/s3-object-store.ts';
import { readSecret } from './aws/secrets.ts';
import type { Host, LambdaParts } from './task.ts';

let runtime: Runtime | undefined;

/** Keeps its runtime from call to call, and writes a log. */
export function lambdaHost(parts?: LambdaParts): Host {
  return { log, startRuntime: async () => (runtime ??= createRuntime(process.env, await parts?.())) };
}

/** What the tasks work with on Lambda: secrets from Secrets Manager, documents in S3, ECR by the function's role. */
function createRuntime(environment: Environment, parts: Partial<RuntimeParts> = {}): Runtime {
  const configuration = parseConfiguration(environment);
  const bucket = environment['STATE_BUCKET'];
  if (!bucket) {
    throw new FactoryError('InvalidConfiguration', 'STATE_BUCKET is not set', {
      hint: 'Deploy the functions with the construct, which sets it.',
    });
  }
  const { harnessApiKey, harnessApiKeySecret, registryCredentialsSecret, callbackUrlSecret } = configuration;
  const aws = awsAdapters({ ...configuration, ecrSessionPolicy: environment['ECR_SESSION_POLICY'] });
  return new Runtime({
    ...aws,
    configuration,
    store: new S3ObjectStore(bucket),
    harnessApiKey: async () => harnessApiKey ?? readSecret(harnessApiKeySecret ?? ''),
    credentials: firstOf(
      aws.credentials,
      registryCredentialsSecret === undefined ? anonymous : secretCredentials(registryCredentialsSecret),
    ),
    callbackTarget: callbackUrlSecret === undefined ? undefined : () => readSecret(callbackUrlSecret),
    onProgress: (event) => log.progress(event),
    ...parts,
  });
}

/** A Docker `config.json` in a secret, read when a registry first asks for credentials. */
function secretCredentials(name: string): CredentialProvider {
  return {
    async credentials(registry) {
      return dockerConfigCredentials(await readSecret(name), `secret ${name}`).credentials(registry);
    },
  };
}
