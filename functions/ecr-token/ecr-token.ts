import { type EcrConfig, EcrCredentials } from '../aws/ecr.ts';
import { writeSecret } from '../aws/secrets.ts';
import { FactoryError } from '../errors.ts';
import { HarnessClient } from '../harness/client.ts';
import type { Secret } from '../harness/secret.ts';
import { Transport } from '../http/transport.ts';
import type { EcrTokenSettings, TokenSecret } from '../settings/ecr-token-settings.ts';
import { keepPassword } from '../text/secrets.ts';

/** The result of a refresh. Never contains the password. */
export interface RefreshedToken {
  registry: string;
  /** The identifier or ARN of the secret. */
  secret: string;
  /** The end of the password's validity, ISO 8601. */
  expiresAt: string;
}

export interface RefreshParts {
  /** Returns the Harness API key. `refused` is a key that Harness refused. */
  harnessApiKey: (refused?: string) => Promise<string>;
  ecr: EcrConfig;
  signal?: AbortSignal;
}

/**
 * Stores a new ECR password in the secret that Harness reads. ECR passwords are valid for 12 hours.
 *
 * @throws {FactoryError} `InvalidConfiguration` for a secret that cannot hold it, `Registry…` when ECR returns no token,
 * `Harness…` when Harness refuses the update.
 */
export async function refreshToken(settings: EcrTokenSettings, parts: RefreshParts): Promise<RefreshedToken> {
  const { registry, secret } = settings;
  const expiresAt =
    secret.kind === 'harness'
      ? await refreshInHarness(settings, secret, parts)
      : await newPassword(registry, parts, (password) => writeSecret(secret.arn, password));
  return { registry, secret: nameOf(secret), expiresAt };
}

export function describeRefresh({ registry, secret, expiresAt }: RefreshedToken): string {
  return `the secret ${secret} holds a new password of ${registry}, valid until ${expiresAt}`;
}

function nameOf(secret: TokenSecret): string {
  return secret.kind === 'harness' ? secret.reference : secret.arn;
}

/** Requests a password, passes it to `store`, and returns the end of its validity. */
async function newPassword(
  registry: string,
  { ecr }: RefreshParts,
  store: (password: string) => Promise<void>,
): Promise<string> {
  const { username, password, expiresAt } = await new EcrCredentials(ecr).newToken(registry);
  keepPassword(username, password);
  await store(password);
  return new Date(expiresAt).toISOString();
}

async function refreshInHarness(
  { configuration, registry }: EcrTokenSettings,
  { reference, ref }: Extract<TokenSecret, { kind: 'harness' }>,
  parts: RefreshParts,
): Promise<string> {
  const { harnessUrl, harnessAccountId, registryCerts, trustedPrivateHosts } = configuration;
  const transport = new Transport({ registryCerts, trustedPrivateHosts });
  try {
    const harness = new HarnessClient({
      url: harnessUrl,
      apiKey: await parts.harnessApiKey(),
      renewKey: parts.harnessApiKey,
      transport,
      ...(harnessAccountId !== undefined && { accountId: harnessAccountId }),
    });
    // Before a password is requested, so that a wrong secret is the first error.
    const secret = assertHoldsText(reference, await harness.secret(ref, parts.signal));
    return await newPassword(registry, parts, (password) => harness.updateSecret(secret, password, parts.signal));
  } finally {
    await transport.destroy();
  }
}

/** Throws `InvalidConfiguration` unless the secret is text whose value Harness itself stores. */
function assertHoldsText(reference: string, secret: Secret | undefined): Secret {
  if (!secret)
    throw unsuitable(
      reference,
      'does not exist',
      'Create a text secret with this identifier in Harness, or correct it.',
    );
  if (secret.type !== 'SecretText')
    throw unsuitable(reference, `is of type ${secret.type}`, 'Name a text secret (SecretText).');
  if (secret.valueType !== 'Inline')
    throw unsuitable(
      reference,
      `has a value of type ${secret.valueType ?? 'unknown'}, not Inline`,
      'Set ECR_TOKEN_SECRET to the ARN of the Secrets Manager secret that it references, or to another text secret.',
    );
  return secret;
}

function unsuitable(reference: string, what: string, hint: string): FactoryError {
  const message = `the Harness secret ${reference} of ECR_TOKEN_SECRET ${what}`;
  return new FactoryError('InvalidConfiguration', message, { hint });
}
