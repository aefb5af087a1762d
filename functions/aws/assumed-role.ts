import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient, type STSClientConfig } from '@aws-sdk/client-sts';
import { clientConfig } from './client-config.ts';

export interface RoleSession {
  roleArn: string;
  /** JSON; what it does not allow, the session may not do, whatever the role may. */
  sessionPolicy?: string | undefined;
}

/**
 * Returns credentials of a role, for the constructor of an SDK client, which caches them and renews them shortly before
 * they expire. `config` is for tests. Throws what the SDK throws.
 */
export async function assumeRole({ roleArn, sessionPolicy }: RoleSession, config: STSClientConfig = {}) {
  const command = new AssumeRoleCommand({
    RoleArn: roleArn,
    RoleSessionName: 'harness-ci-image-factory',
    ...(sessionPolicy !== undefined && { Policy: sessionPolicy }),
  });
  const { Credentials } = await asking(config, (client) => client.send(command));
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {};
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration)
    throw new Error('the response holds no credentials');
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
    expiration: Expiration,
  };
}

/** The account as which we ask when no role is assumed, which takes no permission. Throws what the SDK throws. */
export async function callerAccount(config: STSClientConfig = {}): Promise<string | undefined> {
  const { Account } = await asking(config, (client) => client.send(new GetCallerIdentityCommand()));
  return Account;
}

/** STS is asked once in an hour, if at all. */
async function asking<T>(config: STSClientConfig, ask: (client: STSClient) => Promise<T>): Promise<T> {
  const client = new STSClient({ ...clientConfig(), ...config });
  try {
    return await ask(client);
  } finally {
    client.destroy();
  }
}
