import { FactoryError } from './errors.ts';
import { anonymous, type CredentialProvider, firstOf } from './oci/auth/credentials.ts';
import { dockerConfigCredentials } from './oci/auth/docker-config.ts';
import { Runtime } from './runtime.ts';
import { type Environment, parseConfiguration } from './settings/configuration.ts';
import { EcrCredentials, EcrRepositories } from './aws/ecr.ts';
import { S3ObjectStore } from './aws/s3-object-store.ts';
import { readSecret } from './aws/secrets.ts';

/** What the tasks work with on Lambda: secrets from Secrets Manager, documents in S3, ECR by the function's role. */
export async function createLambdaRuntime(environment: Environment): Promise<Runtime> {
  const configuration = parseConfiguration(environment);
  const bucket = environment['STATE_BUCKET'];
  if (!bucket) {
    throw new FactoryError('InvalidConfiguration', 'STATE_BUCKET is not set', {
      hint: 'Deploy the functions with the construct, which sets it.',
    });
  }
  const { harnessApiKey, harnessApiKeySecret, registryCredentialsSecret } = configuration;
  return new Runtime({
    configuration,
    store: new S3ObjectStore(bucket),
    harnessApiKey: async () => harnessApiKey ?? readSecret(harnessApiKeySecret ?? ''),
    credentials: firstOf(
      new EcrCredentials(),
      registryCredentialsSecret === undefined ? anonymous : secretCredentials(registryCredentialsSecret),
    ),
    repositories: new EcrRepositories(),
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
