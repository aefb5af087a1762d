import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { awsAdapters } from '../../functions/aws/adapters.ts';
import { anonymous, type CredentialProvider, inOrder } from '../../functions/oci/registry/auth/credentials.ts';
import { dockerConfigCredentials } from '../../functions/oci/registry/auth/docker-config.ts';
import { helperEnvironment } from '../../functions/runtime/helper-environment.ts';
import { profileOf } from '../../functions/oci/registry/profile.ts';
import type { RepositoryAdministration } from '../../functions/oci/registry/repository-administration.ts';
import { Runtime, type RuntimeParts } from '../../functions/runtime/runtime.ts';
import type { Configuration, Environment } from '../../functions/settings/configuration.ts';
import { FactoryError } from '../../functions/errors.ts';
import { decodeText, TextError } from '../../functions/text/plain-text.ts';
import release from '../../package.json' with { type: 'json' };
import { reasonOf } from './file-failure.ts';
import { homeFolder, homeForAwsSdk } from './user-folder.ts';

/** The parts of a local run that its command chooses. */
type LocalParts = Pick<RuntimeParts, 'store' | 'lock' | 'onProgress' | 'place' | 'patience' | 'bundles'> & {
  /** Default: those of Docker. */
  logins?: CredentialProvider;
};

/** Creates the runtime of a local run, with the environment's API key, Docker's credentials, and AWS's for ECR. */
export function createLocalRuntime(configuration: Configuration, environment: Environment, parts: LocalParts): Runtime {
  const { callbackUrlSecret } = configuration;
  const { logins = registryLogins(environment), ...others } = parts;
  homeForAwsSdk();
  const aws = awsWhenNeeded(configuration);
  return new Runtime({
    ...aws,
    release: release.version,
    configuration,
    harnessApiKey: () => harnessApiKey(configuration),
    credentials: inOrder(logins, aws.credentials),
    callbackTarget: callbackUrlSecret === undefined ? undefined : () => secret(callbackUrlSecret),
    ...others,
  });
}

/** Returns the logins of Docker: of DOCKER_AUTH_CONFIG, and of `config.json`. Throws `InvalidConfiguration`. */
export function registryLogins(environment: Environment): CredentialProvider {
  return inOrder(variableCredentials(environment), dockerCredentials(environment));
}

async function harnessApiKey({ harnessApiKey, harnessApiKeySecret }: Configuration): Promise<string> {
  if (harnessApiKey !== undefined) return harnessApiKey;
  if (harnessApiKeySecret !== undefined) return secret(harnessApiKeySecret);
  throw new FactoryError('InvalidConfiguration', 'no usable API key is set', {
    hint: 'Set HARNESS_API_KEY to the key of a service account, or HARNESS_API_KEY_SECRET to the name of its secret.',
  });
}

async function secret(nameOrArn: string): Promise<string> {
  const { readSecret } = await import('../../functions/aws/secrets.ts');
  return readSecret(nameOrArn);
}

/**
 * Reads the `config.json` in DOCKER_AUTH_CONFIG. It takes precedence over the file, as for Docker and GitLab runners.
 */
function variableCredentials(environment: Environment): CredentialProvider {
  const text = environment['DOCKER_AUTH_CONFIG']?.trim();
  return text ? dockerConfigCredentials(text, 'DOCKER_AUTH_CONFIG', helperEnvironment(process.env)) : anonymous;
}

/** Reads `config.json` of Docker. Reads it immediately, because a broken file is bad input. */
function dockerCredentials(environment: Environment): CredentialProvider {
  const home = homeFolder();
  const folder = environment['DOCKER_CONFIG'] || (home && join(home, '.docker'));
  if (folder === undefined) return anonymous;
  const file = join(folder, 'config.json');
  let text: string;
  try {
    text = decodeText(readFileSync(file));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return anonymous;
    const unusable = (message: string, hint: string) =>
      new FactoryError('InvalidConfiguration', message, { hint, cause });
    if (cause instanceof TextError)
      throw unusable(
        `cannot use the registry credentials in ${file}: it is ${cause.message}`,
        'Save the file as UTF-8.',
      );
    throw unusable(
      `cannot read ${file}: ${reasonOf(cause)}`,
      'Make it readable, or set DOCKER_CONFIG to another folder.',
    );
  }
  return dockerConfigCredentials(text, file, helperEnvironment(process.env));
}

// Load the AWS SDK only for ECR registries: it doubles the start-up time.
const isEcr = (registry: string) => profileOf(registry).name === 'ecr';
const isEcrPublic = (registry: string) => profileOf(registry).name === 'ecr-public';

/** Creates adapters for AWS that load the AWS SDK at their first use. */
function awsWhenNeeded(configuration: Configuration) {
  let loading: Promise<ReturnType<typeof awsAdapters>> | undefined;
  const aws = () =>
    (loading ??= import('../../functions/aws/adapters.ts').then((adapters) => adapters.awsAdapters(configuration)));
  const credentials: CredentialProvider = {
    logins: async (registry, repository) =>
      isEcr(registry) || isEcrPublic(registry) ? (await aws()).credentials.logins(registry, repository) : [],
  };
  const ecr = async (registry: string) => (isEcr(registry) ? (await aws()).repositories : undefined);
  const repositories: RepositoryAdministration = {
    ensure: async (registry, repository) => (await ecr(registry))?.ensure(registry, repository),
    adviceOnMounts: async (registry) => (await ecr(registry))?.adviceOnMounts(registry),
    tags: async (registry, repository) => (await ecr(registry))?.tags(registry, repository),
    deleteImages: async (registry, repository, references) =>
      (await ecr(registry))?.deleteImages(registry, repository, references) ?? false,
  };
  const layerUploads = async (registry: string) => (isEcr(registry) ? (await aws()).layerUploads(registry) : undefined);
  const scans = async (registry: string) => (isEcr(registry) ? (await aws()).scans(registry) : undefined);
  const template = async (arn: string) => {
    const { AwsTemplate } = await import('../../functions/aws/template.ts');
    return new AwsTemplate(arn);
  };
  return { credentials, repositories, layerUploads, scans, template };
}
