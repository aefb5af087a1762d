import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { ECRClient, type ECRClientConfig } from '@aws-sdk/client-ecr';
import { SignatureV4 } from '@smithy/signature-v4';
import { waitFor } from '../async/wait-for.ts';
import type { CredentialProvider, Credentials, Login } from '../oci/registry/auth/credentials.ts';
import { partitionOf } from '../oci/registry/aws-partitions.ts';
import { clientConfig } from './client-config.ts';

/** The API of ECR Public is in this region only (https://docs.aws.amazon.com/general/latest/gr/ecr-public.html). */
const region = 'us-east-1';

/** How long a login may take that a pull can do without, in milliseconds. Outside AWS, looking for credentials takes time. */
const patienceMs = 5_000;

export function isEcrPublic(registry: string): boolean {
  return registry === 'public.ecr.aws';
}

/**
 * Logs pulls from ECR Public in, which then count for the account and not for the address. Without AWS credentials, or
 * without the right to get a token, it holds nothing, and the pulls go on as anyone's.
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

  /** Without a client of the SDK's, which for this one call would make every bundle larger; ECR's lends its credentials. */
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
