import { AssumeRoleCommand, STSClient, type STSClientConfig } from '@aws-sdk/client-sts';
import { clientConfig } from './client-config.ts';

/** What the SDK keeps until shortly before it expires, and then asks for again. */
interface TemporaryCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
}

/** Credentials of a role, for the constructor of an SDK client. `config` is for tests. */
export function assumedRole(roleArn: string, config: STSClientConfig = {}): () => Promise<TemporaryCredentials> {
  let client: STSClient | undefined;
  return async () => {
    client ??= new STSClient({ ...clientConfig(), ...config });
    const RoleSessionName = 'harness-ci-image-factory';
    const { Credentials } = await client.send(new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName }));
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {};
    if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration)
      throw new Error(`AssumeRole of ${roleArn} answered without credentials`);
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
      expiration: Expiration,
    };
  };
}
