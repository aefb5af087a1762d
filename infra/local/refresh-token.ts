import type { RefreshedToken } from '../../functions/ecr-token/ecr-token.ts';
import type { Environment } from '../../functions/settings/configuration.ts';
import { parseEcrTokenSettings } from '../../functions/settings/ecr-token-settings.ts';
import { homeForAwsSdk } from './user-folder.ts';

export interface Refresh {
  refreshed: RefreshedToken;
  sentence: string;
}

/** Refreshes the ECR password once, with the AWS credentials and the API key of the environment. */
export async function refreshToken(environment: Environment, signal: AbortSignal): Promise<Refresh> {
  const settings = parseEcrTokenSettings(environment);
  homeForAwsSdk();
  // Load the AWS SDK only now: bad input does not need it.
  const [{ refreshToken: refresh, describeRefresh }, { readSecret }] = await Promise.all([
    import('../../functions/ecr-token/ecr-token.ts'),
    import('../../functions/aws/secrets.ts'),
  ]);
  const { harnessApiKey, harnessApiKeySecret = '', ecrRoleArn } = settings.configuration;
  const refreshed = await refresh(settings, {
    harnessApiKey: async () => harnessApiKey ?? readSecret(harnessApiKeySecret),
    ecr: { roleArn: ecrRoleArn },
    signal,
  });
  return { refreshed, sentence: describeRefresh(refreshed) };
}
