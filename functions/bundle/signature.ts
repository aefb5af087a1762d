import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { FactoryError } from '../errors.ts';
import type { Companions } from './carrier.ts';

/**
 * Signatures of a bundle: ECDSA on the curve P-256 over SHA-256, in DER, of the bytes of `bundle.json`. These digests
 * commit to all content. `openssl dgst -sha256 -verify pub.pem -signature NAME.sig NAME.bundle.json` checks one, too.
 */

/** Signs the document of a bundle. */
export interface BundleSigner {
  /** The key, as messages name it. */
  readonly name: string;
  /** Returns the signature in DER. The bytes differ each time, because ECDSA draws a random number. */
  sign(document: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
}

/** The name that OpenSSL and Node.js have for P-256. */
const curve = 'prime256v1';

const createKey = 'openssl ecparam -name prime256v1 -genkey -noout -out key.pem';

/** Returns the signer with a private key in PEM. `name` is the key's file. Throws `InvalidConfiguration`. */
export function pemSigner(pem: string, name: string): BundleSigner {
  const key = privateKey(pem, name);
  return { name, sign: async (document) => sign('sha256', document, key) };
}

function privateKey(pem: string, name: string): KeyObject {
  if (!/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(pem))
    throw unusable(name, 'holds no private key in PEM', `Create one with: ${createKey}`);
  // PKCS #8 has it in its label, SEC1 in a header.
  if (/^(?:-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(pem))
    throw unusable(name, 'is encrypted', `Decrypt the key with: openssl ec -in ${name} -out key.pem`);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw unusable(name, 'cannot be read as a private key', `Create a key with: ${createKey}`, cause);
  }
  assertCurve(key, name, `Create a key with: ${createKey}`);
  return key;
}

/** The public key that the bundles of a place are checked with. */
export class VerifyKey {
  /** The key, as messages name it. */
  readonly name: string;
  readonly #key: KeyObject;

  /**
   * Reads a public key in PEM, or its DER in base64, as `aws kms get-public-key` prints it. `name` is the key's file or
   * variable. Throws `InvalidConfiguration`.
   */
  constructor(pem: string, name: string) {
    this.name = name;
    this.#key = publicKey(pem, name);
  }

  /**
   * Checks the signature beside a bundle at `address`. A layout that another tool wrote has no document to sign, and is
   * refused. Throws `SignatureInvalid`.
   */
  async check(document: Uint8Array | undefined, companions: Pick<Companions, 'read'>, address: string): Promise<void> {
    const signature = document && (await companions.read('sig'));
    this.verify(document ?? new Uint8Array(), signature, `${address.replace(/\.tar$/, '')}.sig`);
  }

  /**
   * Checks the signature of a bundle. `signature` is `undefined` where none is beside the bundle: with a key, that is an
   * error. `where` is the place of the signature, as messages name it. Throws `SignatureInvalid`.
   */
  verify(document: Uint8Array, signature: Uint8Array | undefined, where: string): void {
    if (!signature)
      throw new FactoryError('SignatureInvalid', `the bundle has no signature: ${where} is missing`, {
        hint: 'Carry the .sig file with the bundle, or export the bundle again with --sign, or with BUNDLE_SIGNING_KEY on AWS.',
      });
    if (verify('sha256', document, this.#key, signature)) return;
    throw new FactoryError('SignatureInvalid', `${where} is not a signature of this bundle by the key ${this.name}`, {
      hint: 'Trust nothing in this bundle. Compare the key with that of the exporting side, and carry the bundle again.',
    });
  }
}

function publicKey(pem: string, name: string): KeyObject {
  if (/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(pem))
    throw unusable(
      name,
      'holds a private key, which must stay where bundles are signed',
      `Get the public key with: openssl ec -in ${name} -pubout -out pub.pem`,
    );
  if (pem.includes('-----BEGIN CERTIFICATE-----'))
    throw unusable(
      name,
      'holds a certificate',
      `Get its public key with: openssl x509 -in ${name} -pubkey -noout -out pub.pem`,
    );
  const cure = 'Give the public key of the signer in PEM. It begins with -----BEGIN PUBLIC KEY-----.';
  let key: KeyObject;
  try {
    key = createPublicKey(isBase64(pem) ? { key: Buffer.from(pem, 'base64'), format: 'der', type: 'spki' } : pem);
  } catch (cause) {
    throw unusable(name, 'holds no public key in PEM', cure, cause);
  }
  assertCurve(key, name, cure);
  return key;
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/\s]+=*\s*$/.test(text);
}

/** Throws `InvalidConfiguration` for a key of another kind. `name` is the key, `hint` the way to a right one. */
function assertCurve(
  { asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject,
  name: string,
  hint: string,
) {
  const found = details?.namedCurve ?? type ?? 'an unknown kind';
  if (type !== 'ec' || found !== curve) throw unusable(name, `is a key of ${found}, not of ${curve} (P-256)`, hint);
}

function unusable(name: string, what: string, hint: string, cause?: unknown): FactoryError {
  return new FactoryError('InvalidConfiguration', `the key ${name} ${what}`, { hint, cause });
}
