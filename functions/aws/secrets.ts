import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { setTimeout as sleep } from 'node:timers/promises';
import { FactoryError } from '../errors.ts';
import { isArn, parseArn } from '../text/arn.ts';
import { misplacedIn } from '../text/plain-text.ts';
import { clientConfig } from './client-config.ts';
import { awsReason } from './failure-reason.ts';

export interface ReadSecretOptions {
  /** A value that was refused, because it is wrong or was rotated. Read again, unless that was done since. */
  refused?: string | undefined;
  /** Read again, whatever is known. */
  refresh?: boolean;
  client?: SecretsManagerClient;
  /** The shortest time between two readings after the first, in milliseconds. Default: 1,000. */
  restMs?: number;
}

interface KnownSecret {
  value: Promise<string>;
  /** The reading that takes the place of `value`; all who ask for one meanwhile share it. */
  renewal?: Promise<string> | undefined;
  /** When the last of those began, as epoch milliseconds. */
  renewedAt: number;
}

const known = new Map<string, KnownSecret>();
let ownClient: SecretsManagerClient | undefined;

/**
 * The value of a Secrets Manager secret. Read once per sandbox, and again when `refused` or `refresh` says so; a
 * refusal that comes too soon after the last reading waits, so that a wrong secret is not read at every request.
 *
 * The console stores secrets as key/value pairs, so a JSON object with a string `apiKey`, or whose only entry is a
 * string, stands for that string. Any other value is returned as it is, surrounding white space aside.
 *
 * Throws `InvalidConfiguration`, which names the secret and never its value.
 */
export async function readSecret(nameOrArn: string, options: ReadSecretOptions = {}): Promise<string> {
  const fetchNow = () =>
    fetchSecret(nameOrArn, options.client ?? (ownClient ??= new SecretsManagerClient(clientConfig())));
  let secret = known.get(nameOrArn);
  if (!secret) {
    secret = { value: fetchNow(), renewedAt: -Infinity };
    known.set(nameOrArn, secret);
    return remember(nameOrArn, secret);
  }
  const { refused, refresh = refused !== undefined && (await secret.value) === refused } = options;
  if (!refresh) return secret.value;
  secret.renewal ??= renew(nameOrArn, secret, fetchNow, options.restMs ?? defaultRestMs);
  return secret.renewal;
}

const defaultRestMs = 1_000;

async function renew(
  nameOrArn: string,
  secret: KnownSecret,
  fetchNow: () => Promise<string>,
  restMs: number,
): Promise<string> {
  try {
    const wait = secret.renewedAt + restMs - Date.now();
    if (wait > 0) await sleep(wait);
    secret.renewedAt = Date.now();
    secret.value = fetchNow();
    return await remember(nameOrArn, secret);
  } finally {
    secret.renewal = undefined;
  }
}

/** Forgets a secret that could not be read: the next one who asks tries again. */
async function remember(nameOrArn: string, secret: KnownSecret): Promise<string> {
  try {
    return await secret.value;
  } catch (error) {
    if (known.get(nameOrArn) === secret) known.delete(nameOrArn);
    throw error;
  }
}

async function fetchSecret(nameOrArn: string, client: SecretsManagerClient): Promise<string> {
  let stored: string | undefined;
  try {
    ({ SecretString: stored } = await client.send(new GetSecretValueCommand({ SecretId: nameOrArn })));
  } catch (error) {
    throw inaccessible(nameOrArn, await regionOf(nameOrArn, client), error, reading);
  }
  const value = unwrap(stored?.trim() ?? '');
  if (value === '')
    throw new FactoryError('InvalidConfiguration', `the secret ${nameOrArn} holds no text`, {
      hint: 'Store the value as text (SecretString), not as binary.',
    });
  // A document may hold anything; a value by itself is a key, a token or a URL.
  const misplaced = value.startsWith('{') ? undefined : misplacedIn(value);
  if (misplaced !== undefined)
    throw new FactoryError('InvalidConfiguration', `the secret ${nameOrArn} holds ${misplaced}`, {
      hint: 'Store the value itself in the secret, without quotes and placeholders.',
    });
  return value;
}

function unwrap(secret: string): string {
  if (!secret.startsWith('{')) return secret;
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(secret) as Record<string, unknown>;
  } catch {
    return secret;
  }
  const values = Object.values(parsed);
  const chosen = parsed['apiKey'] ?? (values.length === 1 ? values[0] : undefined);
  return typeof chosen === 'string' ? chosen.trim() : secret;
}

async function regionOf(nameOrArn: string, { config }: SecretsManagerClient): Promise<string> {
  return (isArn(nameOrArn) && parseArn(nameOrArn).region) || config.region();
}

/**
 * Stores a new value of a secret, in the region of its ARN. The previous value stays as `AWSPREVIOUS`.
 *
 * Throws `InvalidConfiguration`, which names the secret and never its value.
 */
export async function writeSecret(arn: string, value: string, client = clientOfRegion(arn)): Promise<void> {
  try {
    await client.send(new PutSecretValueCommand({ SecretId: arn, SecretString: value }));
  } catch (error) {
    throw inaccessible(arn, await regionOf(arn, client), error, writing);
  }
}

function clientOfRegion(arn: string): SecretsManagerClient {
  return new SecretsManagerClient({ ...clientConfig(), region: parseArn(arn).region });
}

/** The words for an access to a secret, and the permissions that it needs. */
interface Access {
  verb: string;
  permission: string;
  keyPermissions: string;
}

const reading: Access = { verb: 'read', permission: 'secretsmanager:GetSecretValue', keyPermissions: 'kms:Decrypt' };
const writing: Access = {
  verb: 'write',
  permission: 'secretsmanager:PutSecretValue',
  keyPermissions: 'kms:GenerateDataKey and kms:Decrypt',
};

function inaccessible(
  nameOrArn: string,
  region: string,
  cause: unknown,
  { verb, permission, keyPermissions }: Access,
): FactoryError {
  const { name, text, networkHint } = awsReason(cause);
  const ofKey = /\bKMS\b/.test(text);
  const hints: Record<string, string> = {
    ResourceNotFoundException: `Create the secret ${nameOrArn} in region ${region} of this account, or correct its name.`,
    // IAM is asked before the secret is looked for, and a policy for the secret's ARN does not allow its bare name.
    AccessDeniedException: ofKey
      ? `Allow the role ${keyPermissions} on the key of the secret ${nameOrArn}.`
      : `Create the secret ${nameOrArn} in region ${region} if it does not exist there; otherwise allow the role ${permission} on it, and ${keyPermissions} on its key if it has one.`,
    DecryptionFailure: `Allow the role ${keyPermissions} on the key of the secret.`,
    EncryptionFailure: `Allow the role ${keyPermissions} on the key of the secret.`,
  };
  return new FactoryError('InvalidConfiguration', `cannot ${verb} the secret ${nameOrArn}: ${text}`, {
    hint:
      networkHint ??
      hints[name] ??
      'Check that Secrets Manager can be reached and that the secret is not marked for deletion.',
    cause,
  });
}
