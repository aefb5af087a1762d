import {
  BatchDeleteImageCommand,
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  ECRClient,
  type ECRClientConfig,
  GetAuthorizationTokenCommand,
  RepositoryAlreadyExistsException,
  RepositoryNotFoundException,
} from '@aws-sdk/client-ecr';
import { type ErrorName, FactoryError } from '../errors.ts';
import { networkFailure } from '../http/network-error.ts';

/** A private ECR registry, as its host name tells. */
export interface EcrHost {
  accountId: string;
  region: string;
  fips: boolean;
  dualStack: boolean;
}

/** https://docs.aws.amazon.com/general/latest/gr/ecr.html: IPv4 hosts, and dual-stack ones with a dash. */
const hostForms = [
  /^(?<accountId>\d{12})\.dkr\.ecr(?<fips>-fips)?\.(?<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/,
  /^(?<accountId>\d{12})\.(?<dualStack>dkr-ecr)(?<fips>-fips)?\.(?<region>[a-z0-9-]+)\.on\.aws$/,
];

/** `undefined` for a host that is no private ECR registry. */
export function parseEcrHost(host: string): EcrHost | undefined {
  for (const form of hostForms) {
    const { accountId, region, fips, dualStack } = form.exec(host.toLowerCase())?.groups ?? {};
    if (accountId && region) return { accountId, region, fips: fips !== undefined, dualStack: dualStack !== undefined };
  }
  return undefined;
}

/** One client per endpoint, made when first needed. */
class EcrClients {
  readonly #config: ECRClientConfig;
  readonly #clients = new Map<string, ECRClient>();

  constructor(config: ECRClientConfig) {
    this.#config = config;
  }

  of({ region, fips, dualStack }: EcrHost): ECRClient {
    const endpoint = `${region} ${fips} ${dualStack}`;
    let client = this.#clients.get(endpoint);
    if (!client) {
      client = new ECRClient({
        ...this.#config,
        region,
        ...(fips && { useFipsEndpoint: true }),
        ...(dualStack && { useDualstackEndpoint: true }),
      });
      this.#clients.set(endpoint, client);
    }
    return client;
  }
}

interface Token {
  username: string;
  password: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** A copy may take an hour with one token; they are valid for 12. */
const renewBeforeExpiryMs = 3_600_000;

/** Passwords for ECR registries out of IAM: one request per registry and half day, however many callers. */
export class EcrCredentials {
  readonly #clients: EcrClients;
  readonly #tokens = new Map<string, { token: Promise<Token>; renewAt: number }>();

  /** `config` (endpoint, credentials) is for tests; on AWS the role of the function counts. */
  constructor(config: ECRClientConfig = {}) {
    this.#clients = new EcrClients(config);
  }

  /**
   * The credentials for `host`, or `undefined` when it is no private ECR registry.
   * Throws `RegistryForbidden`, `RegistryUnauthorized`, `RegistryThrottled`, `RegistryUnreachable`, `RegistryFailed`.
   */
  async credentials(host: string): Promise<{ username: string; password: string } | undefined> {
    const registry = parseEcrHost(host);
    if (!registry) return undefined;
    const key = host.toLowerCase();
    let entry = this.#tokens.get(key);
    if (!entry || entry.renewAt <= Date.now()) {
      entry = { token: this.#request(host, registry), renewAt: Number.POSITIVE_INFINITY };
      this.#tokens.set(key, entry);
    }
    try {
      const { username, password, expiresAt } = await entry.token;
      entry.renewAt = expiresAt - renewBeforeExpiryMs;
      return { username, password };
    } catch (error) {
      if (this.#tokens.get(key) === entry) this.#tokens.delete(key);
      throw error;
    }
  }

  async #request(host: string, registry: EcrHost): Promise<Token> {
    try {
      const { authorizationData } = await this.#clients
        .of(registry)
        .send(new GetAuthorizationTokenCommand({ registryIds: [registry.accountId] }));
      const { authorizationToken = '', expiresAt } = authorizationData?.[0] ?? {};
      const [username, password] = Buffer.from(authorizationToken, 'base64').toString().split(':', 2);
      if (!username || !password || !expiresAt) throw new Error('the answer holds no token');
      return { username, password, expiresAt: expiresAt.getTime() };
    } catch (error) {
      throw ecrFailure(`get a token for ${host}`, 'ecr:GetAuthorizationToken', error);
    }
  }
}

/** What OCI's own protocol cannot do in ECR: make repositories and delete images. Leaves other registries alone. */
export class EcrRepositories {
  readonly #clients: EcrClients;

  /** `config` (endpoint, credentials) is for tests; on AWS the role of the function counts. */
  constructor(config: ECRClientConfig = {}) {
    this.#clients = new EcrClients(config);
  }

  /**
   * Creates the repository if it is missing: ECR accepts a push only where there is one.
   * Throws `RegistryForbidden`, `RegistryUnauthorized`, `RegistryThrottled`, `RegistryUnreachable`, `RegistryFailed`.
   */
  async ensure(host: string, repository: string): Promise<void> {
    const registry = parseEcrHost(host);
    if (!registry) return;
    const client = this.#clients.of(registry);
    const address = { registryId: registry.accountId };
    try {
      // Asked first, so that repositories made beforehand need no permission to create any.
      await client.send(new DescribeRepositoriesCommand({ ...address, repositoryNames: [repository] }));
      return;
    } catch (error) {
      if (!(error instanceof RepositoryNotFoundException))
        throw ecrFailure(`look for ${host}/${repository}`, 'ecr:DescribeRepositories and ecr:CreateRepository', error);
    }
    try {
      await client.send(
        new CreateRepositoryCommand({
          ...address,
          repositoryName: repository,
          imageScanningConfiguration: { scanOnPush: true },
        }),
      );
    } catch (error) {
      if (error instanceof RepositoryAlreadyExistsException) return; // by another copy, a moment ago
      throw ecrFailure(`create ${host}/${repository}`, 'ecr:CreateRepository', error);
    }
  }

  /**
   * Deletes images by digest, in the order given (an index before its children: ECR keeps what an index refers to).
   * Images that are gone already are no error. Returns `false`, having done nothing, when `host` is not ECR.
   * Throws like `ensure`.
   */
  async deleteImages(host: string, repository: string, digests: readonly string[]): Promise<boolean> {
    const registry = parseEcrHost(host);
    if (!registry) return false;
    const client = this.#clients.of(registry);
    const address = { registryId: registry.accountId, repositoryName: repository };
    try {
      for (let start = 0; start < digests.length; start += imagesPerRequest) {
        const imageIds = digests.slice(start, start + imagesPerRequest).map((imageDigest) => ({ imageDigest }));
        const { failures = [] } = await client.send(new BatchDeleteImageCommand({ ...address, imageIds }));
        const kept = failures.filter(({ failureCode }) => failureCode !== 'ImageNotFound');
        if (kept.length > 0)
          throw new Error(kept.map((f) => `${f.imageId?.imageDigest} ${f.failureCode}: ${f.failureReason}`).join('; '));
      }
    } catch (error) {
      // A repository that is gone took its images with it.
      if (!(error instanceof RepositoryNotFoundException))
        throw ecrFailure(`delete images of ${host}/${repository}`, 'ecr:BatchDeleteImage', error);
    }
    return true;
  }
}

/** The most that BatchDeleteImage takes. */
const imagesPerRequest = 100;

/** Error codes of AWS as users of a registry know them. */
const names: Record<string, ErrorName> = {
  AccessDeniedException: 'RegistryForbidden',
  ThrottlingException: 'RegistryThrottled',
  CredentialsProviderError: 'RegistryUnauthorized',
  ExpiredTokenException: 'RegistryUnauthorized',
  InvalidSignatureException: 'RegistryUnauthorized',
  UnrecognizedClientException: 'RegistryUnauthorized',
};

function ecrFailure(action: string, permission: string, cause: unknown): FactoryError {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const network = networkFailure(cause);
  const name = network ? 'RegistryUnreachable' : (names[error.name] ?? 'RegistryFailed');
  const hints: Partial<Record<ErrorName, string>> = {
    RegistryForbidden: `Allow the role ${permission} there; a registry of another account must allow it as well.`,
    RegistryThrottled: 'Lower max_concurrency, or ask AWS for a higher quota of ECR.',
    RegistryUnauthorized: 'Check the AWS credentials: none were found, or they have expired.',
  };
  return new FactoryError(name, `cannot ${action}: ${network ? network.text : `${error.name}: ${error.message}`}`, {
    hint: network?.hint ?? hints[name] ?? 'Look the error up in the API reference of ECR.',
    cause,
  });
}
