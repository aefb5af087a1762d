import { App } from 'aws-cdk-lib';
import { FactoryError } from '../functions/errors.ts';
import { parseConfiguration } from '../functions/settings/configuration.ts';
import { describeProblems } from '../functions/settings/problems.ts';
import { defaultApiKeySecretName } from './harness-ci-image-factory.ts';
import { HarnessCiImageFactoryStack } from './stack.ts';

try {
  if (process.env['SCHEDULE']) {
    // Ignoring it would look like obeying.
    const problems = [
      { path: 'SCHEDULE', found: 'a value', allowed: 'nothing: this version has no schedule of its own' },
    ];
    const hint = 'Start the state machine from a schedule of yours, and unset the variable.';
    throw new FactoryError('InvalidConfiguration', 'the configuration has 1 problem', { hint, problems });
  }
  const configuration = parseConfiguration({
    ...process.env,
    // On AWS the key is in Secrets Manager, whatever a local run on this machine uses.
    HARNESS_API_KEY: undefined,
    HARNESS_API_KEY_SECRET: process.env['HARNESS_API_KEY_SECRET'] || defaultApiKeySecretName,
  });
  new HarnessCiImageFactoryStack(new App(), 'HarnessCiImageFactory', { configuration });
} catch (error) {
  if (!(error instanceof FactoryError)) throw error;
  console.error([`${error.name}: ${error.message}. ${error.hint}`, ...describeProblems(error.problems)].join('\n'));
  process.exitCode = 2;
}
