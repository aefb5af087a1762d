import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pemSigner, VerifyKey } from '../../functions/bundle/signature.ts';

const run = promisify(execFile);
const openssl = (...args: string[]) => run('openssl', args, { cwd: folder });

let folder: string;
/** The key of the exporting side, as the documentation creates it. */
let privatePem: string;
let publicPem: string;
const document = Buffer.from('{"schema":"bundle/v1"}\n');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signature-'));
  privatePem = (await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout')).stdout;
  await writeFile(join(folder, 'key.pem'), privatePem);
  publicPem = (await openssl('ec', '-in', 'key.pem', '-pubout')).stdout;
  await writeFile(join(folder, 'pub.pem'), publicPem);
  await writeFile(join(folder, 'NAME.bundle.json'), document);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command of the documentation. */
const opensslVerify = async (key = 'pub.pem', content = 'NAME.bundle.json') =>
  (await openssl('dgst', '-sha256', '-verify', key, '-signature', 'NAME.sig', content)).stdout;

describe('the signature of a bundle', () => {
  it('passes the check of openssl and our own', async () => {
    const signature = await pemSigner(privatePem, 'key.pem').sign(document);
    await writeFile(join(folder, 'NAME.sig'), signature);
    expect(await opensslVerify()).toBe('Verified OK\n');
    expect(() => new VerifyKey(publicPem, 'pub.pem').verify(document, signature, 'NAME.sig')).not.toThrow();
  });

  it('may be made by openssl, with a key in SEC1 or PKCS #8', async () => {
    const { stdout: pkcs8 } = await openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'key.pem');
    expect(pkcs8).toContain('-----BEGIN PRIVATE KEY-----');
    const verifyKey = new VerifyKey(publicPem, 'pub.pem');
    verifyKey.verify(document, await pemSigner(pkcs8, 'key.pem').sign(document), 'NAME.sig');
    const { stdout } = await run('openssl', ['dgst', '-sha256', '-sign', 'key.pem', 'NAME.bundle.json'], {
      cwd: folder,
      encoding: 'buffer',
    });
    expect(() => verifyKey.verify(document, stdout, 'NAME.sig')).not.toThrow();
  });

  it('fails with openssl and with us after one bit of the document changed', async () => {
    const signature = await pemSigner(privatePem, 'key.pem').sign(document);
    const altered = Buffer.from(document);
    altered[5] = (altered[5] ?? 0) ^ 1;
    await writeFile(join(folder, 'NAME.sig'), signature);
    await writeFile(join(folder, 'altered.json'), altered);
    await expect(opensslVerify('pub.pem', 'altered.json')).rejects.toMatchObject({ stdout: 'Verification failure\n' });
    expect(() => new VerifyKey(publicPem, 'pub.pem').verify(altered, signature, 'NAME.sig')).toThrow(
      'NAME.sig is not a signature of this bundle by the key pub.pem',
    );
  });

  it('fails after a change of any of its bits', async () => {
    const signature = await pemSigner(privatePem, 'key.pem').sign(document);
    const verifyKey = new VerifyKey(publicPem, 'pub.pem');
    for (let bit = 0; bit < signature.length * 8; bit++) {
      const altered = Buffer.from(signature);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => verifyKey.verify(document, altered, 'NAME.sig')).toThrow('NAME.sig is not a signature');
    }
    for (const cut of [0, 1, signature.length - 1])
      expect(() => verifyKey.verify(document, signature.subarray(0, cut), 'NAME.sig')).toThrow('is not a signature');
  });

  it('fails when another key made it', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const pem = other.export({ type: 'pkcs8', format: 'pem' }).toString();
    const signature = await pemSigner(pem, 'other.pem').sign(document);
    await writeFile(join(folder, 'NAME.sig'), signature);
    await expect(opensslVerify()).rejects.toMatchObject({ stdout: 'Verification failure\n' });
    const check = () => new VerifyKey(publicPem, 'pub.pem').verify(document, signature, 'NAME.sig');
    expect(check).toThrow(expect.objectContaining({ name: 'SignatureInvalid' }));
  });

  it('lies beside the bundle, and a layout of another tool has none', async () => {
    const verifyKey = new VerifyKey(publicPem, 'pub.pem');
    const signature = await pemSigner(privatePem, 'key.pem').sign(document);
    const beside = { read: async (companion: string) => (companion === 'sig' ? signature : undefined) };
    await expect(verifyKey.check(document, beside, 's3://bundles/a.tar')).resolves.toBeUndefined();
    const nothing = { read: async () => undefined };
    for (const [bytes, companions] of [[document, nothing] as const, [undefined, beside] as const])
      await expect(verifyKey.check(bytes, companions, 's3://bundles/a.tar')).rejects.toMatchObject({
        name: 'SignatureInvalid',
        message: 'the bundle has no signature: s3://bundles/a.sig is missing',
      });
  });

  it('must be there when a key is given', () => {
    const check = () => new VerifyKey(publicPem, 'pub.pem').verify(document, undefined, '/media/usb/NAME.sig');
    expect(check).toThrow(
      expect.objectContaining({
        name: 'SignatureInvalid',
        message: 'the bundle has no signature: /media/usb/NAME.sig is missing',
      }),
    );
  });
});

describe('the key of a signature', () => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ed = generateKeyPairSync('ed25519');

  it.each([
    ['P-384', p384, 'is a key of secp384r1, not of prime256v1 (P-256)'],
    ['secp256k1', k1, 'is a key of secp256k1, not of prime256v1 (P-256)'],
    ['RSA', rsa, 'is a key of rsa, not of prime256v1 (P-256)'],
    ['Ed25519', ed, 'is a key of ed25519, not of prime256v1 (P-256)'],
  ])('fails on both sides as %s', (_, pair, message) => {
    const secret = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const open = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const refusal = expect.objectContaining({ name: 'InvalidConfiguration', message: `the key k.pem ${message}` });
    expect(() => pemSigner(secret, 'k.pem')).toThrow(refusal);
    expect(() => new VerifyKey(open, 'k.pem')).toThrow(refusal);
  });

  it('may be the base64 of its DER, as KMS returns it', async () => {
    const base64 = publicPem.replaceAll(/-----.*-----|\n/g, '');
    const signature = await pemSigner(privatePem, 'key.pem').sign(document);
    for (const text of [base64, `${base64}\n`])
      expect(() => new VerifyKey(text, 'key').verify(document, signature, 'NAME.sig')).not.toThrow();
    expect(() => new VerifyKey(base64.slice(8), 'key')).toThrow('the key key holds no public key in PEM');
  });

  it('fails as a private key where bundles are checked, with the command for the public one', () => {
    expect(() => new VerifyKey(privatePem, 'key.pem')).toThrow(
      expect.objectContaining({
        message: 'the key key.pem holds a private key, which must stay where bundles are signed',
        hint: 'Get the public key with: openssl ec -in key.pem -pubout -out pub.pem',
      }),
    );
  });

  it('fails as a certificate, with the command for its public key', async () => {
    const { stdout: certificate } = await openssl('req', '-x509', '-new', '-key', 'key.pem', '-subj', '/CN=signer');
    await writeFile(join(folder, 'cert.pem'), certificate);
    expect(() => new VerifyKey(certificate, 'cert.pem')).toThrow(
      expect.objectContaining({
        hint: 'Get its public key with: openssl x509 -in cert.pem -pubkey -noout -out pub.pem',
      }),
    );
    // The command of the hint gives the same key.
    expect((await openssl('x509', '-in', 'cert.pem', '-pubkey', '-noout')).stdout).toBe(publicPem);
  });

  it.each([
    ['SEC1', ['ec', '-aes256']],
    ['PKCS #8', ['pkcs8', '-topk8']],
  ])('fails encrypted in %s, with the command that decrypts it', async (_, command) => {
    const { stdout: encrypted } = await openssl(...command, '-in', 'key.pem', '-passout', 'pass:hunter2222');
    expect(() => pemSigner(encrypted, 'key.pem')).toThrow(
      expect.objectContaining({
        message: 'the key key.pem is encrypted',
        hint: 'Decrypt the key with: openssl ec -in key.pem -out key.pem',
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['a public key', 'public'],
    ['damaged base64', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
  ])('fails as %s where bundles are signed', (_, text) => {
    const refusal = expect.objectContaining({ name: 'InvalidConfiguration' });
    expect(() => pemSigner(text === 'public' ? publicPem : text, 'k.pem')).toThrow(refusal);
  });

  it.each([
    ['nothing', ''],
    ['an SSH key', 'ecdsa-sha2-nistp256 AAAA user@host'],
    ['damaged base64', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
  ])('fails as %s where bundles are checked', (_, text) => {
    expect(() => new VerifyKey(text, 'k.pem')).toThrow('the key k.pem holds no public key in PEM');
  });
});
