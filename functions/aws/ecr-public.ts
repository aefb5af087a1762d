import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { ECRClient, type ECRClientConfig } from '@aws-sdk/client-ecr';
import { SignatureV4 } from '@smithy/signature-v4';
import { waitFor } from '../async/wait-for.ts';
import type { CredentialProvider, Credentials, Login } from '../oci/registry/auth/credentials.ts';
import { partitionOf } from '../oci/registry/aws-partitions.ts';
import { clientConfig } from './client-config.ts';

/** The only region of ECR Public's API (https://docs.aws.amazon.com/general/latest/gr/ecr-public.html). */
const region = 'us-east-1';

/**
 * The time limit of a login in milliseconds. Pulls work without it, and outside AWS the search for credentials is slow.
 */
const patienceMs = 5_000;

export function isEcrPublic(registry: string): boolean {
  return registry === 'public.ecr.aws';
}

/**
 * Logs in to ECR Public, so that pulls count against the quota of the account and not of the IP address. Without AWS
 * credentials, or without the permission to get a token, pulls are anonymous.
 */
export class EcrPublicCredentials implements CredentialProvider {
  readonly #config: ECRClientConfig;
  readonly #endpoint: string;

  /** `config` and `endpoint` are for tests. */
  constructor(
    config: ECRClientConfig = {},
    endpoint = `https://api.ecr-public.${region}.${partitionOf(region).dnsSuffix}`,
  ) {
    this.#config = config;
    this.#endpoint = endpoint;
  }

  async logins(registry: string): Promise<Login[]> {
    const credentials = () => this.#token().catch(() => undefined);
    return isEcrPublic(registry) ? [{ name: 'the AWS credentials', credentials }] : [];
  }

  async #token(): Promise<Credentials | undefined> {
    const signal = AbortSignal.timeout(patienceMs);
    const body = await waitFor(this.#request(signal), signal);
    const { authorizationData } = JSON.parse(body) as { authorizationData?: { authorizationToken?: string } };
    const token = Buffer.from(authorizationData?.authorizationToken ?? '', 'base64').toString();
    const [username, password] = token.split(':', 2);
    return username && password ? { username, password } : undefined;
  }

  /**
   * Without a client of the SDK's, which for this one call would make every bundle larger; ECR's lends its credentials.
   */
  async #request(signal: AbortSignal): Promise<string> {
    const { protocol, hostname, port, host } = new URL(this.#endpoint);
    const { config } = new ECRClient({ ...clientConfig(), ...this.#config, region });
    const { credentials, sha256 } = config;
    const signer = new SignatureV4({ service: 'ecr-public', region, credentials, sha256 });
    const request = await signer.sign({
      method: 'POST',
      protocol,
      hostname,
      ...(port !== '' && { port: Number(port) }),
      path: '/',
      headers: {
        host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'SpencerFrontendService.GetAuthorizationToken',
      },
      body: '{}',
    });
    const { requestHandler } = clientConfig();
    try {
      const { response } = await requestHandler.handle(request as never, { abortSignal: signal });
      return (await buffer(response.body as Readable)).toString();
    } finally {
      requestHandler.destroy();
    }
  }
}
