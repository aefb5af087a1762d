import { App } from 'aws-cdk-lib';
import { FactoryError } from '../functions/errors.ts';
import { parseConfiguration } from '../functions/settings/configuration.ts';
import { defaultApiKeySecretName } from './harness-ci-image-factory.ts';
import { HarnessCiImageFactoryStack } from './stack.ts';

try {
  const configuration = parseConfiguration({
    ...process.env,
    // On AWS the key is in Secrets Manager, whatever a local run on this machine uses.
    HARNESS_API_KEY: undefined,
    HARNESS_API_KEY_SECRET: process.env['HARNESS_API_KEY_SECRET'] || defaultApiKeySecretName,
  });
  new HarnessCiImageFactoryStack(new App(), 'HarnessCiImageFactory', { configuration });
} catch (error) {
  if (!(error instanceof FactoryError)) throw error;
  console.error(`${error.name}: ${error.message}. ${error.hint}`);
  for (const { path, found, allowed } of error.problems ?? [])
    console.error(`  ${path}: found ${found}; allowed: ${allowed}`);
  process.exitCode = 2;
}
