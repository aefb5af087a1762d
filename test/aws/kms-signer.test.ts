import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateKeyCommand, type KeySpec, KMSClient } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KmsSigner } from '../../functions/aws/kms-signer.ts';
import { VerifyKey } from '../../functions/bundle/signature.ts';
import { available } from '../real-parts.ts';
import { account, type MotoServer, region } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';

const arn = `arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
/** Longer than a message that KMS accepts. */
const document = Buffer.alloc(10_000, '{"schema":"bundle/v1"}');

describe('signing with KMS', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const PublicKey = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const described: Answer = {
    status: 200,
    body: { KeyId: arn, KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', PublicKey },
  };
  const folder = mkdtempSync(join(tmpdir(), 'kms-'));
  const keyFile = join(folder, 'key.pem');
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Signs a digest as KMS does, without hashing it again. moto 5.2.1 hashes it again. */
  function signDigest(message: string): string {
    const digest = Buffer.from(message, 'base64');
    const { stdout, status } = spawnSync('openssl', ['pkeyutl', '-sign', '-inkey', keyFile], { input: digest });
    expect({ status, bytes: digest.length }).toEqual({ status: 0, bytes: 32 });
    return stdout.toString('base64');
  }

  const refused = (type: string): Answer => ({ status: 400, body: { __type: type, message: 'no' } });
  async function signWith(answer: (operation: string, input: { Message: string }) => Answer) {
    const api = await startScriptedAws((operation, input) => answer(operation, input as { Message: string }));
    try {
      return { signature: await new KmsSigner(arn, api.config).sign(document), calls: api.calls };
    } finally {
      await api.close();
    }
  }

  it('sends the digest of the document, and returns what the public key confirms', async () => {
    const { signature, calls } = await signWith((operation, { Message }) =>
      operation === 'Sign' ? { status: 200, body: { Signature: signDigest(Message) } } : described,
    );
    new VerifyKey(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'pub.pem').verify(
      document,
      signature,
      '',
    );
    expect(calls).toEqual([
      { operation: 'GetPublicKey', input: { KeyId: arn } },
      {
        operation: 'Sign',
        input: { KeyId: arn, Message: expect.any(String), MessageType: 'DIGEST', SigningAlgorithm: 'ECDSA_SHA_256' },
      },
    ]);
  });

  it.each([
    ['AccessDeniedException', `Allow kms:Sign and kms:GetPublicKey on the key ${arn}.`],
    ['NotFoundException', `Create the key in region ${region}`],
    ['DisabledException', `Enable the key ${arn}.`],
    ['KMSInvalidStateException', `Enable the key ${arn}, or cancel its deletion.`],
    ['ThrottlingException', 'Look the error up'],
  ])('names the cure of %s', async (type, hint) => {
    await expect(signWith(() => refused(type))).rejects.toMatchObject({
      name: 'SigningFailed',
      message: expect.stringContaining(`cannot sign with the key ${arn}: ${type}`),
      hint: expect.stringContaining(hint),
    });
  });

  it('names the kind of key that signs, for one that cannot', async () => {
    await expect(signWith(() => refused('UnsupportedOperationException'))).rejects.toMatchObject({
      name: 'InvalidConfiguration',
      message: `the key ${arn} is a key of a kind that cannot sign, not of P-256 for signatures`,
      hint: 'Create a key with: aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY',
    });
  });

  it('stops when it is aborted', async () => {
    const api = await startScriptedAws(() => described);
    const signing = new KmsSigner(arn, api.config).sign(document, AbortSignal.abort(new Error('enough')));
    await expect(signing).rejects.toThrow('enough');
    await api.close();
  });
});

(available('moto_server') ? describe : describe.skip)('a key of KMS', () => {
  let moto: MotoServer;
  let client: KMSClient;

  beforeAll(async () => {
    moto = await shareMotoServer();
    client = new KMSClient(moto.config);
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await moto?.close();
  });

  const create = async (KeySpec: KeySpec) =>
    (await client.send(new CreateKeyCommand({ KeySpec, KeyUsage: 'SIGN_VERIFY' }))).KeyMetadata?.Arn ?? '';
  const sign = (key: string) => new KmsSigner(key, moto.config).sign(document);

  it.each<[KeySpec, string]>([
    ['ECC_NIST_P384', 'secp384r1'],
    ['ECC_SECG_P256K1', 'secp256k1'],
    ['RSA_2048', 'rsa'],
  ])('refuses %s', async (spec, found) => {
    const key = await create(spec);
    await expect(sign(key)).rejects.toMatchObject({
      name: 'InvalidConfiguration',
      message: `the key ${key} is a key of ${found}, not of P-256 for signatures`,
      hint: expect.stringContaining('aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY'),
    });
  });

  it('refuses a missing key', async () => {
    await expect(sign(arn)).rejects.toMatchObject({
      name: 'SigningFailed',
      message: expect.stringContaining('NotFound'),
    });
  });

  it('refuses a signature of something else than the document', async () => {
    // moto hashes the digest again, which KMS does not.
    const key = await create('ECC_NIST_P256');
    await expect(sign(key)).rejects.toMatchObject({
      name: 'SigningFailed',
      message: `KMS returned no valid signature by the key ${key}`,
    });
  });
});
