import { ECRClient, type ECRClientConfig, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import type { STSClientConfig } from '@aws-sdk/client-sts';
import { type ErrorName, FactoryError } from '../errors.ts';
import { networkFailure } from '../http/network-error.ts';
import { assumedRole } from './assumed-role.ts';
import { clientConfig } from './client-config.ts';

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

export interface EcrConfig extends ECRClientConfig {
  /** Assumed for registries of the role's own account; others are asked as ourselves. */
  roleArn?: string | undefined;
  /** Of the service that hands out the role's credentials, for tests. */
  sts?: STSClientConfig;
}

/** One client per endpoint and identity, made when first needed. */
export class EcrClients {
  readonly #config: ECRClientConfig;
  readonly #roleAccount: string | undefined;
  readonly #roleCredentials: ReturnType<typeof assumedRole> | undefined;
  readonly #clients = new Map<string, ECRClient>();

  constructor({ roleArn, sts, ...config }: EcrConfig) {
    this.#config = config;
    this.#roleAccount = roleArn?.split(':')[4];
    this.#roleCredentials = roleArn === undefined ? undefined : assumedRole(roleArn, sts);
  }

  of({ accountId, region, fips, dualStack }: EcrHost): ECRClient {
    const credentials = accountId === this.#roleAccount ? this.#roleCredentials : undefined;
    const endpoint = `${region} ${fips} ${dualStack} ${credentials !== undefined}`;
    let client = this.#clients.get(endpoint);
    if (!client) {
      client = new ECRClient({
        ...clientConfig(),
        ...this.#config,
        region,
        ...(credentials && { credentials }),
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

  /** `config` (endpoint, credentials) is for tests; on AWS the role of the function counts, or `roleArn`. */
  constructor(config: EcrConfig = {}) {
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

/** Error codes of AWS as users of a registry know them. */
const names: Record<string, ErrorName> = {
  AccessDeniedException: 'RegistryForbidden',
  ThrottlingException: 'RegistryThrottled',
  CredentialsProviderError: 'RegistryUnauthorized',
  ExpiredTokenException: 'RegistryUnauthorized',
  InvalidSignatureException: 'RegistryUnauthorized',
  UnrecognizedClientException: 'RegistryUnauthorized',
};

/** An error of the SDK in the words of a registry's user; `permission` is what the call needs. */
export function ecrFailure(action: string, permission: string, cause: unknown): FactoryError {
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
