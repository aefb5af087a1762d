import { ECRPUBLICClient, type ECRPUBLICClientConfig, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr-public';
import { waitFor } from '../async/wait-for.ts';
import type { CredentialProvider, Credentials, Login } from '../oci/registry/auth/credentials.ts';
import { isEcrPublic } from '../oci/registry/ecr-host.ts';
import { clientConfig } from './client-config.ts';

/** The only region of ECR Public's API (https://docs.aws.amazon.com/general/latest/gr/ecr-public.html). */
const region = 'us-east-1';

/**
 * The time limit of a login in milliseconds. Pulls work without it, and outside AWS the search for credentials is slow.
 */
const patienceMs = 5_000;

/**
 * Logs in to ECR Public, so that pulls count against the quota of the account and not of the IP address. Without AWS
 * credentials, or without the permission to get a token, pulls are anonymous.
 */
export class EcrPublicCredentials implements CredentialProvider {
  readonly #config: ECRPUBLICClientConfig;

  /** `config` is for tests. */
  constructor(config: ECRPUBLICClientConfig = {}) {
    this.#config = config;
  }

  async logins(registry: string): Promise<Login[]> {
    const credentials = () => this.#token().catch(() => undefined);
    return isEcrPublic(registry) ? [{ name: 'the AWS credentials', credentials }] : [];
  }

  async #token(): Promise<Credentials | undefined> {
    const client = new ECRPUBLICClient({ ...clientConfig(), ...this.#config, region });
    const signal = AbortSignal.timeout(patienceMs);
    try {
      const response = client.send(new GetAuthorizationTokenCommand(), { abortSignal: signal });
      // The search for AWS credentials ignores the signal.
      const { authorizationData } = await waitFor(response, signal);
      const token = Buffer.from(authorizationData?.authorizationToken ?? '', 'base64').toString();
      const [username, password] = token.split(':', 2);
      return username && password ? { username, password } : undefined;
    } finally {
      client.destroy();
    }
  }
}
