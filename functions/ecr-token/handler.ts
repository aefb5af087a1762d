import { readSecret } from '../aws/secrets.ts';
import { log } from '../lambda/log.ts';
import { logged } from '../lambda/logged.ts';
import { parseEcrTokenSettings } from '../settings/ecr-token-settings.ts';
import { describeRefresh, type RefreshedToken, refreshToken } from './ecr-token.ts';

/** Refreshes the ECR password at each call. Lambda repeats a call that fails. */
export const handler = logged(async (): Promise<RefreshedToken> => {
  const settings = parseEcrTokenSettings(process.env);
  const { harnessApiKey, harnessApiKeySecret = '', ecrRoleArn } = settings.configuration;
  const refreshed = await refreshToken(settings, {
    harnessApiKey: async (refused) => harnessApiKey ?? readSecret(harnessApiKeySecret, { refused }),
    ecr: { roleArn: ecrRoleArn, sessionPolicy: process.env['ECR_SESSION_POLICY'] },
  });
  log.note(describeRefresh(refreshed));
  return refreshed;
});
