import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openSigner, openVerifyKey } from '../../infra/local/bundle-keys.ts';

let folder: string;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const inFolder = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keys-'));
  await writeFile(inFolder('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  await writeFile(inFolder('pub.pem'), `\ufeff${pem.toString()}`);
  await writeFile(inFolder('utf16.pem'), Buffer.from(`\ufeff${pem.toString()}`, 'utf16le'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the keys of --sign and --verify-key', () => {
  it('come from files, with or without a byte order mark', async () => {
    const document = Buffer.from('{}\n');
    const signer = await openSigner(inFolder('key.pem'));
    expect(signer.name).toBe(inFolder('key.pem'));
    const verifyKey = await openVerifyKey(inFolder('pub.pem'));
    expect(() => verifyKey.verify(document, new Uint8Array(), 'a.sig')).toThrow('a.sig is not a signature');
    verifyKey.verify(document, await signer.sign(document), 'a.sig');
  });

  it.each([
    ['awskms:arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'],
    ['awskms:///arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/bundles/signer'],
    ['awskms:arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab'],
  ])('may be a key of KMS to sign with: %s', async (place) => {
    expect((await openSigner(place)).name).toBe(place.replace(/^awskms:(\/\/\/)?/, ''));
  });

  it.each([
    ['awskms:', 'that is not the ARN of a KMS key'],
    ['awskms:alias/signer', 'that is not the ARN of a KMS key'],
    ['awskms:arn:aws:s3:::bucket', 'that is not the ARN of a KMS key'],
    ['no-such.pem', 'cannot read the key no-such.pem: no such file or directory (ENOENT)'],
    [tmpdir(), 'illegal operation on a directory (EISDIR)'],
  ])('fail as %s, with the reason', async (place, reason) => {
    const refusal = { name: 'InvalidConfiguration', message: expect.stringContaining(reason) };
    await expect(openSigner(place)).rejects.toMatchObject(refusal);
  });

  it('fail in UTF-16, which PowerShell writes', async () => {
    const message = `--verify-key: cannot read the key ${inFolder('utf16.pem')}: it is UTF-16, not UTF-8`;
    await expect(openVerifyKey(inFolder('utf16.pem'))).rejects.toMatchObject({ message });
  });
});
