import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient, type KMSClientConfig, SignCommand } from '@aws-sdk/client-kms';
import type { BundleSigner } from '../bundle/signature.ts';
import { FactoryError } from '../errors.ts';
import { parseArn } from '../text/arn.ts';
import { own } from '../text/own.ts';
import { clientConfig } from './client-config.ts';
import { awsReason } from './failure-reason.ts';

const createKey = 'aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY';

/**
 * Signs with a key of KMS, which never leaves it: ECDSA on P-256 over SHA-256, in DER. The caller needs `kms:Sign` and
 * `kms:GetPublicKey` on the key.
 */
export class KmsSigner implements BundleSigner {
  readonly name: string;
  readonly #client: KMSClient;

  /** `arn` is that of a key or of an alias, and names the region. `config` is for tests. */
  constructor(arn: string, config: KMSClientConfig = {}) {
    this.name = arn;
    this.#client = new KMSClient({ ...clientConfig(), ...config, region: parseArn(arn).region });
  }

  /**
   * Returns the signature of a document. Sends its digest, because KMS takes at most 4,096 bytes of a message
   * (https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html). The signature is checked with the public key
   * here: the other side could do nothing about a wrong one.
   *
   * @throws {FactoryError} `InvalidConfiguration` for a key of another kind, `SigningFailed` for anything else.
   */
  async sign(document: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const options = signal ? { abortSignal: signal } : {};
    const digest = createHash('sha256').update(document).digest();
    const key = { KeyId: this.name };
    const signing = { ...key, Message: digest, MessageType: 'DIGEST', SigningAlgorithm: 'ECDSA_SHA_256' } as const;
    try {
      const { PublicKey } = await this.#client.send(new GetPublicKeyCommand(key), options);
      const publicKey = this.#checked(PublicKey ?? new Uint8Array());
      const { Signature } = await this.#client.send(new SignCommand(signing), options);
      if (Signature && verify('sha256', document, publicKey, Signature)) return Signature;
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof FactoryError ? error : this.#failure(error);
    } finally {
      this.#client.destroy();
    }
    throw new FactoryError('SigningFailed', `KMS returned no valid signature by the key ${this.name}`, {
      hint: 'Run the command again. If the error persists, report it with the endpoint of KMS that you use.',
    });
  }

  #checked(spki: Uint8Array): KeyObject {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? 'an unknown kind';
    // Both curves of 256 bits have the same signing algorithm at KMS.
    if (kind !== 'prime256v1') throw this.#wrongKind(kind);
    return key;
  }

  #wrongKind(found: string): FactoryError {
    return new FactoryError(
      'InvalidConfiguration',
      `the key ${this.name} is a key of ${found}, not of P-256 for signatures`,
      {
        hint: `Create a key with: ${createKey}`,
      },
    );
  }

  #failure(cause: unknown): FactoryError {
    const { name, text, networkHint } = awsReason(cause);
    const { region } = parseArn(this.name);
    if (name === 'UnsupportedOperationException' || name === 'InvalidKeyUsageException')
      return this.#wrongKind('a kind that cannot sign');
    const credentials = 'Check the AWS credentials: none were found, or they have expired.';
    const hints: Record<string, string> = {
      AccessDeniedException: `Allow kms:Sign and kms:GetPublicKey on the key ${this.name}. A key of another account must allow them in its policy, too.`,
      NotFoundException: `Create the key in region ${region} (${createKey}), or correct its ARN.`,
      DisabledException: `Enable the key ${this.name}.`,
      KMSInvalidStateException: `Enable the key ${this.name}, or cancel its deletion.`,
      CredentialsProviderError: credentials,
      ExpiredTokenException: credentials,
      UnrecognizedClientException: credentials,
    };
    const hint = networkHint ?? own(hints, name) ?? 'Look the error up in the API reference of KMS.';
    return new FactoryError('SigningFailed', `cannot sign with the key ${this.name}: ${text}`, { hint, cause });
  }
}
