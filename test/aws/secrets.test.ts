import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { readSecret } from '../../functions/aws/secrets.ts';
import { available } from '../real-parts.ts';
import type { MotoServer } from './moto-server.ts';
import { shareMotoServer } from './shared-moto-server.ts';
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
    moto = await shareMotoServer();
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
    expect(await stored('\ufeffpat.a.b.c')).toBe('pat.a.b.c');
    expect(await stored('\ufeff{"HARNESS_API_KEY":"pat.a.b.c"}')).toBe('pat.a.b.c');
  });

  it.each([
    ['"pat.a.b.hunter2222"', 'a value in quotes'],
    ['{"key":"${KEY}"}', 'an unexpanded ${…}'],
    ['<+secrets.getValue("hunter2222")>', 'an unresolved Harness expression'],
  ])('refuses %s, and names what it is without repeating it', async (text, what) => {
    const { Name } = await store(text);
    const error: unknown = await readSecret(Name, { client }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      name: 'InvalidConfiguration',
      message: expect.stringContaining(`the secret ${Name} holds ${what}`),
    });
    expect(JSON.stringify(error)).not.toContain('hunter2222');
  });

  it('reads a secret once, and again on request', async () => {
    const { Name } = await store('old');
    expect(await readSecret(Name, { client })).toBe('old');
    await client.send(new PutSecretValueCommand({ SecretId: Name, SecretString: 'rotated' }));
    expect(await readSecret(Name, { client })).toBe('old');
    expect(await readSecret(Name, { client, refresh: true })).toBe('rotated');
    expect(await readSecret(Name, { client })).toBe('rotated');
  });

  it('reads a secret again after a failure', async () => {
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

describe('a secret that was refused', () => {
  let stored = 'wrong';
  let readings = 0;
  let created = 0;
  let name = '';
  let aws: Awaited<ReturnType<typeof startScriptedAws>>;
  let client: SecretsManagerClient;

  beforeAll(async () => {
    aws = await startScriptedAws(() => {
      readings++;
      return { status: 200, body: { SecretString: stored } };
    });
    client = new SecretsManagerClient(aws.config);
  });
  beforeEach(async () => {
    name = `rotated-${++created}`;
    stored = 'wrong';
    readings = 0;
    await readSecret(name, { client });
  });
  afterAll(async () => {
    client.destroy();
    await aws.close();
  });

  it('reads a refused secret again, and caches the new value', async () => {
    stored = 'right';
    expect(await readSecret(name, { client })).toBe('wrong');
    expect(await readSecret(name, { client, refused: 'wrong' })).toBe('right');
    expect(await readSecret(name, { client })).toBe('right');
    expect(readings).toBe(2);
  });

  it('does not read a secret again whose refused value was already replaced', async () => {
    stored = 'right';
    await readSecret(name, { client, refused: 'wrong' });
    expect(await readSecret(name, { client, refused: 'wrong' })).toBe('right');
    expect(readings).toBe(2);
  });

  it('reads a secret once for concurrent refusals', async () => {
    stored = 'right';
    const values = await Promise.all(Array.from({ length: 40 }, () => readSecret(name, { client, refused: 'wrong' })));
    expect(new Set(values)).toEqual(new Set(['right']));
    expect(readings).toBe(2);
  });

  it('limits how often a refused secret is read', async () => {
    const restMs = 50;
    const began = Date.now();
    for (let refusal = 0; refusal < 4; refusal++)
      expect(await readSecret(name, { client, refused: 'wrong', restMs })).toBe('wrong');
    expect(readings).toBe(1 + 4);
    // Timers may end a millisecond early.
    expect(Date.now() - began).toBeGreaterThanOrEqual(3 * (restMs - 1));
    stored = 'right';
    expect(await readSecret(name, { client, refused: 'wrong', restMs })).toBe('right');
  });
});

describe('reading a secret without permission', () => {
  it.each([
    ['factory/forbidden', 'eu-west-1'],
    ['arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:forbidden', 'us-gov-west-1'],
  ])('names the secret %s and its region first, for it may not exist there', async (name, region) => {
    const aws = await startScriptedAws(() => ({
      status: 400,
      body: { __type: 'AccessDeniedException', message: 'no identity-based policy allows the action' },
    }));
    const client = new SecretsManagerClient(aws.config);
    try {
      await expect(readSecret(name, { client })).rejects.toMatchObject({
        name: 'InvalidConfiguration',
        hint: expect.stringMatching(
          new RegExp(`^Create the secret ${name} in region ${region} .*secretsmanager:GetSecretValue`),
        ),
      });
    } finally {
      client.destroy();
      await aws.close();
    }
  });

  it('names the key when it is the key that may not be used', async () => {
    const aws = await startScriptedAws(() => ({
      status: 400,
      body: { __type: 'AccessDeniedException', message: 'Access to KMS is not allowed' },
    }));
    const client = new SecretsManagerClient(aws.config);
    try {
      await expect(readSecret('factory/sealed', { client })).rejects.toMatchObject({
        hint: 'Allow the role kms:Decrypt on the key of the secret factory/sealed.',
      });
    } finally {
      client.destroy();
      await aws.close();
    }
  });

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
