import { ECRClient, type ECRClientConfig, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import type { STSClientConfig } from '@aws-sdk/client-sts';
import { type ErrorName, FactoryError } from '../errors.ts';
import { type EcrHost, parseEcrHost } from '../oci/registry/ecr-host.ts';
import type { CredentialProvider, Login } from '../oci/registry/auth/credentials.ts';
import { assumeRole, callerAccount } from './assumed-role.ts';
import { clientConfig } from './client-config.ts';
import { awsReason } from './failure-reason.ts';
import { parseArn } from '../text/arn.ts';
import { own } from '../text/own.ts';

/** A private ECR registry, and the client of its API. */
export interface EcrRegistry {
  host: string;
  accountId: string;
  region: string;
  client: ECRClient;
}

export interface EcrConfig extends ECRClientConfig {
  /** The role to assume for registries of the role's account. Other registries see the caller's own identity. */
  roleArn?: string | undefined;
  /** Restricts the permissions of that role. */
  sessionPolicy?: string | undefined;
  /** Client settings of STS, which issues the role's credentials. For tests. */
  sts?: STSClientConfig;
}

/** Creates one client per endpoint and identity, on first use. */
export class EcrClients {
  readonly #config: ECRClientConfig;
  readonly #sts: STSClientConfig | undefined;
  readonly #roleAccount: string | undefined;
  readonly #roleCredentials: (() => ReturnType<typeof assumeRole>) | undefined;
  readonly #clients = new Map<string, ECRClient>();

  constructor({ roleArn, sessionPolicy, sts, ...config }: EcrConfig) {
    this.#config = config;
    this.#sts = sts;
    this.#roleAccount = roleArn && parseArn(roleArn).accountId;
    if (roleArn === undefined) return;
    this.#roleCredentials = () =>
      assumeRole({ roleArn, sessionPolicy }, sts).catch((error: unknown) => {
        const toAllow =
          'Allow sts:AssumeRole on it, and name the roles of the factory in its trust policy (docs/ecr.md).';
        throw ecrFailure(`assume ${roleArn}`, 'sts:AssumeRole', error, toAllow);
      });
  }

  /** Returns the registry at a host; `undefined` for a host that is no private ECR registry. */
  at(host: string): EcrRegistry | undefined {
    const registry = parseEcrHost(host);
    return registry && { host, accountId: registry.accountId, region: registry.region, client: this.of(registry) };
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

  /**
   * Returns true when the registry belongs to the caller's account. Some calls name no registry and use the caller's.
   */
  async areOf({ accountId }: Pick<EcrHost, 'accountId'>): Promise<boolean> {
    return accountId === this.#roleAccount || accountId === (await callerAccount(this.#sts));
  }
}

/** A password for a registry. It has the permissions of the identity that requested it. */
export interface EcrToken {
  username: string;
  password: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** A copy may use one token for an hour. Tokens are valid for 12 hours. */
const renewBeforeExpiryMs = 3_600_000;

/** Gets passwords for ECR registries with IAM. Sends one request per registry and 11 hours, for all callers. */
export class EcrCredentials implements CredentialProvider {
  readonly #clients: EcrClients;
  readonly #tokens = new Map<string, { token: Promise<EcrToken>; renewAt: number }>();

  /** `config` (endpoint, credentials) is for tests. On AWS the identity is the function's role, or `roleArn`. */
  constructor(config: EcrConfig = {}) {
    this.#clients = new EcrClients(config);
  }

  async logins(host: string): Promise<Login[]> {
    return parseEcrHost(host) ? [{ name: 'the AWS credentials', credentials: () => this.credentials(host) }] : [];
  }

  /**
   * Returns the credentials for `host`, or `undefined` when it is not a private ECR registry.
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

  /** Requests a new token for the private ECR registry `host`. Throws as `credentials` does. */
  async newToken(host: string): Promise<EcrToken> {
    const registry = parseEcrHost(host);
    if (!registry) throw new TypeError(`${host} is no private ECR registry`);
    return this.#request(host, registry);
  }

  async #request(host: string, registry: EcrHost): Promise<EcrToken> {
    try {
      const { authorizationData } = await this.#clients
        .of(registry)
        .send(new GetAuthorizationTokenCommand({ registryIds: [registry.accountId] }));
      const { authorizationToken = '', expiresAt } = authorizationData?.[0] ?? {};
      const [username, password] = Buffer.from(authorizationToken, 'base64').toString().split(':', 2);
      if (!username || !password || !expiresAt) throw new Error('the response holds no token');
      return { username, password, expiresAt: expiresAt.getTime() };
    } catch (error) {
      throw ecrFailure(`get a token for ${host}`, 'ecr:GetAuthorizationToken', error);
    }
  }
}

/** Error names of the product by AWS error code, those of STS included. */
const names: Record<string, ErrorName> = {
  AccessDenied: 'RegistryForbidden',
  AccessDeniedException: 'RegistryForbidden',
  Throttling: 'RegistryThrottled',
  ThrottlingException: 'RegistryThrottled',
  CredentialsProviderError: 'RegistryUnauthorized',
  ExpiredToken: 'RegistryUnauthorized',
  ExpiredTokenException: 'RegistryUnauthorized',
  InvalidClientTokenId: 'RegistryUnauthorized',
  InvalidSignatureException: 'RegistryUnauthorized',
  SignatureDoesNotMatch: 'RegistryUnauthorized',
  UnrecognizedClientException: 'RegistryUnauthorized',
};

/** Converts an SDK error. `permission` is the IAM action that the call needs, `toAllow` the hint to grant it. */
export function ecrFailure(
  action: string,
  permission: string,
  cause: unknown,
  toAllow = `Allow the role ${permission} there; a registry of another account must allow it as well.`,
): FactoryError {
  // It could not be asked as the role.
  if (cause instanceof FactoryError) return cause;
  const reason = awsReason(cause);
  const name = reason.networkHint === undefined ? (own(names, reason.name) ?? 'RegistryFailed') : 'RegistryUnreachable';
  const hints: Partial<Record<ErrorName, string>> = {
    RegistryForbidden: toAllow,
    RegistryThrottled: 'Lower max_concurrency, or request a higher quota of ECR from AWS.',
    RegistryUnauthorized: 'Check the AWS credentials: none were found, or they have expired.',
  };
  return new FactoryError(name, `cannot ${action}: ${reason.text}`, {
    hint: reason.networkHint ?? hints[name] ?? 'Look the error up in the API reference of ECR.',
    cause,
  });
}
