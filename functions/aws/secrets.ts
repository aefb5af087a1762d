import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { FactoryError } from '../errors.ts';
import { clientConfig } from './client-config.ts';
import { awsReason } from './failure-reason.ts';

export interface ReadSecretOptions {
  /** Read it from Secrets Manager even if this sandbox has read it before: after a 401 it may have been rotated. */
  refresh?: boolean;
  client?: SecretsManagerClient;
}

const read = new Map<string, Promise<string>>();
let ownClient: SecretsManagerClient | undefined;

/**
 * The value of a Secrets Manager secret, read once per sandbox.
 *
 * The console stores secrets as key/value pairs, so a JSON object with a string `apiKey`, or whose only entry is a
 * string, stands for that string. Any other value is returned as it is, surrounding white space aside.
 *
 * Throws `InvalidConfiguration`, which names the secret and never its value.
 */
export async function readSecret(nameOrArn: string, options: ReadSecretOptions = {}): Promise<string> {
  const known = read.get(nameOrArn);
  if (known && !options.refresh) return known;
  const reading = fetchSecret(nameOrArn, options.client ?? (ownClient ??= new SecretsManagerClient(clientConfig())));
  read.set(nameOrArn, reading);
  try {
    return await reading;
  } catch (error) {
    // A failure is not worth remembering.
    if (read.get(nameOrArn) === reading) read.delete(nameOrArn);
    throw error;
  }
}

async function fetchSecret(nameOrArn: string, client: SecretsManagerClient): Promise<string> {
  let stored: string | undefined;
  try {
    ({ SecretString: stored } = await client.send(new GetSecretValueCommand({ SecretId: nameOrArn })));
  } catch (error) {
    throw unreadable(nameOrArn, error);
  }
  const value = unwrap(stored?.trim() ?? '');
  if (value === '')
    throw new FactoryError('InvalidConfiguration', `the secret ${nameOrArn} holds no text`, {
      hint: 'Store the value as text (SecretString), not as binary.',
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

function unreadable(nameOrArn: string, cause: unknown): FactoryError {
  const { name, text, networkHint } = awsReason(cause);
  const hints: Record<string, string> = {
    ResourceNotFoundException: 'Create the secret in this account and region, or correct its name.',
    AccessDeniedException:
      'Allow the role secretsmanager:GetSecretValue on it, and kms:Decrypt on its key if it has one.',
    DecryptionFailure: 'Allow the role kms:Decrypt on the key of the secret.',
  };
  return new FactoryError('InvalidConfiguration', `cannot read the secret ${nameOrArn}: ${text}`, {
    hint:
      networkHint ??
      hints[name] ??
      'Check that Secrets Manager can be reached and that the secret is not marked for deletion.',
    cause,
  });
}
