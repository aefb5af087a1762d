import { App } from 'aws-cdk-lib';
import { FactoryError } from '../functions/errors.ts';
import { parseConfiguration } from '../functions/settings/configuration.ts';
import { describeProblems } from '../functions/settings/problems.ts';
import { defaultApiKeySecretName } from './harness-ci-image-factory.ts';
import { settingOf, variableOf } from './settings.ts';
import { HarnessCiImageFactoryStack } from './stack.ts';

// By hand, because what is wrong must leave nothing to deploy.
const app = new App({ autoSynth: false });
/** Settings may come as context, too: `-c registryName=…` says the same as REGISTRY_NAME, and counts for more. */
const context = Object.fromEntries(
  Object.entries(app.node.getAllContext() as Record<string, unknown>)
    // CDK's own have a colon.
    .filter(([key]) => /^[A-Za-z]+$/.test(key))
    .map(([key, value]) => [variableOf(key), String(value)]),
);

try {
  const environment = { ...process.env, ...context };
  const configuration = parseConfiguration({
    ...environment,
    // On AWS the key is in Secrets Manager, whatever a local run on this machine uses.
    HARNESS_API_KEY: undefined,
    HARNESS_API_KEY_SECRET: environment['HARNESS_API_KEY_SECRET'] || defaultApiKeySecretName,
  });
  new HarnessCiImageFactoryStack(app, 'HarnessCiImageFactory', { configuration });
  app.synth();
} catch (error) {
  if (!(error instanceof FactoryError)) throw error;
  const problems = error.problems?.map(({ path, ...problem }) => {
    return { ...problem, path: Object.hasOwn(context, path) ? `-c ${settingOf(path)}` : path };
  });
  console.error([`${error.name}: ${error.message}. ${error.hint}`, ...describeProblems(problems)].join('\n'));
  process.exitCode = 2;
}
