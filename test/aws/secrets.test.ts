import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { readSecret } from '../../functions/aws/secrets.ts';
import { available } from '../real-parts.ts';
import { type MotoServer, startMotoServer } from './moto-server.ts';
import { startScriptedAws } from './scripted-aws.ts';

(available('moto_server') ? describe : describe.skip)('reading a secret', () => {
  let moto: MotoServer;
  let client: SecretsManagerClient;
  let created = 0;

  const store = async (SecretString: string) => {
    const Name = `factory/secret-${++created}`;
    const { ARN = '' } = await client.send(new CreateSecretCommand({ Name, SecretString }));
    return { Name, ARN };
  };
  const stored = async (SecretString: string) => readSecret((await store(SecretString)).Name, { client });

  beforeAll(async () => {
    moto = await startMotoServer();
    client = new SecretsManagerClient(moto.config);
  }, 60_000);
  afterAll(async () => {
    client?.destroy();
    await moto?.close();
  });

  it('takes a name or an ARN', async () => {
    const { Name, ARN } = await store('pat.account.id.key');
    expect(await readSecret(Name, { client })).toBe('pat.account.id.key');
    expect(await readSecret(ARN, { client })).toBe('pat.account.id.key');
  });

  it('unwraps what the console stores as a key/value pair', async () => {
    expect(await stored('{"HARNESS_API_KEY":"pat.a.b.c"}')).toBe('pat.a.b.c');
    expect(await stored('{"owner":"platform team","apiKey":" pat.a.b.c\\n"}')).toBe('pat.a.b.c');
  });

  it('leaves any other text as it is, white space around it aside', async () => {
    const dockerConfig = '{"auths":{"registry.example":{"auth":"dTpw"}},"credsStore":"desktop"}';
    expect(await stored(dockerConfig)).toBe(dockerConfig);
    expect(await stored('{"auths":{}}')).toBe('{"auths":{}}');
    expect(await stored('{not json')).toBe('{not json');
    expect(await stored(' pat.a.b.c\n')).toBe('pat.a.b.c');
  });

  it('reads a secret once, and again when told to', async () => {
    const { Name } = await store('old');
    expect(await readSecret(Name, { client })).toBe('old');
    await client.send(new PutSecretValueCommand({ SecretId: Name, SecretString: 'rotated' }));
    expect(await readSecret(Name, { client })).toBe('old');
    expect(await readSecret(Name, { client, refresh: true })).toBe('rotated');
    expect(await readSecret(Name, { client })).toBe('rotated');
  });

  it('does not remember a failure', async () => {
    await expect(readSecret('factory/later', { client })).rejects.toMatchObject({ name: 'InvalidConfiguration' });
    await client.send(new CreateSecretCommand({ Name: 'factory/later', SecretString: 'here now' }));
    expect(await readSecret('factory/later', { client })).toBe('here now');
  });

  it('names a missing secret', async () => {
    await expect(readSecret('factory/missing', { client })).rejects.toMatchObject({
      name: 'InvalidConfiguration',
      message: expect.stringMatching(/factory\/missing: ResourceNotFoundException/),
      hint: expect.stringContaining('Create the secret'),
    });
  });

  it('names a secret that is about to be deleted', async () => {
    const { Name } = await store('doomed');
    await client.send(new DeleteSecretCommand({ SecretId: Name }));
    await expect(readSecret(Name, { client })).rejects.toMatchObject({
      name: 'InvalidConfiguration',
      hint: expect.stringContaining('deletion'),
    });
  });

  it('refuses a secret that holds no text', async () => {
    const Name = 'factory/binary';
    await client.send(new CreateSecretCommand({ Name, SecretBinary: Buffer.from('key') }));
    await expect(readSecret(Name, { client })).rejects.toMatchObject({
      name: 'InvalidConfiguration',
      message: 'the secret factory/binary holds no text',
    });
  });
});

describe('reading a secret without permission', () => {
  it('says which permission is missing', async () => {
    const aws = await startScriptedAws(() => ({
      status: 400,
      body: { __type: 'AccessDeniedException', message: 'not authorized' },
    }));
    const client = new SecretsManagerClient(aws.config);
    try {
      await expect(readSecret('factory/forbidden', { client })).rejects.toMatchObject({
        name: 'InvalidConfiguration',
        message: expect.stringContaining('factory/forbidden'),
        hint: expect.stringContaining('secretsmanager:GetSecretValue'),
      });
    } finally {
      client.destroy();
      await aws.close();
    }
  });
});
