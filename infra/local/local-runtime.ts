import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { anonymous, type CredentialProvider, firstOf } from '../../functions/oci/auth/credentials.ts';
import { dockerConfigCredentials } from '../../functions/oci/auth/docker-config.ts';
import { profileOf } from '../../functions/oci/profile.ts';
import { type RepositoryAdministration, Runtime, type RuntimeParts } from '../../functions/runtime.ts';
import type { Configuration, Environment } from '../../functions/settings/configuration.ts';
import { FactoryError } from '../../functions/errors.ts';
import type { ObjectStore } from '../../functions/store/object-store.ts';

/** What the tasks work with in a local run: the environment's key, Docker's credentials, and AWS's for ECR. */
export function createLocalRuntime(
  configuration: Configuration,
  environment: Environment,
  store: ObjectStore,
  onProgress: NonNullable<RuntimeParts['onProgress']>,
): Runtime {
  return new Runtime({
    configuration,
    store,
    harnessApiKey: () => harnessApiKey(configuration),
    credentials: firstOf(dockerCredentials(environment), ecrCredentials),
    repositories: ecrRepositories,
    onProgress,
  });
}

async function harnessApiKey({ harnessApiKey, harnessApiKeySecret }: Configuration): Promise<string> {
  if (harnessApiKey !== undefined) return harnessApiKey;
  const { readSecret } = await import('../../functions/aws/secrets.ts');
  return readSecret(harnessApiKeySecret ?? '');
}

/** `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, as Docker finds it. Read at once: a broken file is bad input. */
function dockerCredentials(environment: Environment): CredentialProvider {
  const file = join(environment['DOCKER_CONFIG'] || join(homedir(), '.docker'), 'config.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return anonymous;
    throw new FactoryError('InvalidConfiguration', `cannot read ${file}`, {
      hint: 'Make it readable, or set DOCKER_CONFIG to another folder.',
      cause,
    });
  }
  return dockerConfigCredentials(text, file);
}

// The AWS SDK is loaded when an ECR registry is used, not by every run: it doubles the start-up time.
const isEcr = (registry: string) => profileOf(registry).name === 'ecr';

let adapters: Promise<{ credentials: CredentialProvider; repositories: RepositoryAdministration }> | undefined;

function ecr() {
  adapters ??= import('../../functions/aws/ecr.ts').then(({ EcrCredentials, EcrRepositories }) => ({
    credentials: new EcrCredentials(),
    repositories: new EcrRepositories(),
  }));
  return adapters;
}

const ecrCredentials: CredentialProvider = {
  credentials: async (registry) => (isEcr(registry) ? (await ecr()).credentials.credentials(registry) : undefined),
};

const ecrRepositories: RepositoryAdministration = {
  ensure: async (registry, repository) => {
    if (isEcr(registry)) await (await ecr()).repositories.ensure(registry, repository);
  },
  deleteImages: async (registry, repository, digests) =>
    isEcr(registry) ? (await ecr()).repositories.deleteImages(registry, repository, digests) : false,
};
