import { readFile } from 'node:fs/promises';
import { type BundleSigner, pemSigner, VerifyKey } from '../../functions/bundle/signature.ts';
import { FactoryError } from '../../functions/errors.ts';
import { decodeText, TextError } from '../../functions/text/plain-text.ts';
import { cureOf, reasonOf } from './file-failure.ts';
import { homeForAwsSdk } from './user-folder.ts';

/** An address of a key in KMS. Cosign writes three slashes before the ARN. */
const kmsAddress = /^awskms:(?:\/\/\/)?(.*)$/s;
const kmsArn = /^arn:aws[a-z-]*:kms:[a-z\d-]+:\d{12}:(?:key\/[\w-]+|alias\/[\w/-]+)$/;

/** Opens the key that `--sign` names: a file in PEM, or `awskms:ARN`. Throws `InvalidConfiguration`. */
export async function openSigner(place: string): Promise<BundleSigner> {
  const [, arn] = kmsAddress.exec(place) ?? [];
  if (arn === undefined) return pemSigner(await readKey('--sign', place), place);
  if (!kmsArn.test(arn)) {
    const hint =
      'Write awskms: and the whole ARN: awskms:arn:PARTITION:kms:REGION:ACCOUNT:key/ID, or alias/NAME in place of key/ID.';
    throw new FactoryError('InvalidConfiguration', `--sign ${place}: that is not the ARN of a KMS key`, { hint });
  }
  homeForAwsSdk();
  // Load the AWS SDK only for such a key: it doubles the start-up time.
  const { KmsSigner } = await import('../../functions/aws/kms-signer.ts');
  return new KmsSigner(arn);
}

/** Opens the public key that `--verify-key` names, a file in PEM. Throws `InvalidConfiguration`. */
export async function openVerifyKey(file: string): Promise<VerifyKey> {
  return new VerifyKey(await readKey('--verify-key', file), file);
}

async function readKey(option: string, file: string): Promise<string> {
  try {
    return decodeText(await readFile(file));
  } catch (cause) {
    const unusable = (reason: string, hint: string) =>
      new FactoryError('InvalidConfiguration', `${option}: cannot read the key ${file}: ${reason}`, { hint, cause });
    if (cause instanceof TextError) throw unusable(`it is ${cause.message}`, 'Name a file in PEM, saved as UTF-8.');
    const isMissing = Object(cause).code === 'ENOENT';
    throw unusable(reasonOf(cause), isMissing ? `Name a file that exists with ${option}.` : `${cureOf(cause, file)}.`);
  }
}
