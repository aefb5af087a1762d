import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { App, Aws } from 'aws-cdk-lib/core';
import { FactoryError, type Problem } from '../functions/errors.ts';
import { countProblems, describeProblems, render } from '../functions/settings/problems.ts';
import { meantBy } from '../functions/settings/terraform-names.ts';
import { isObject } from '../functions/text/json.ts';
import { settingProblems } from './checked-settings.ts';
import { defaultStackName, parseDeploymentSettings, settingNames } from './deployment-settings.ts';
import { needsLookup } from './existing-resources.ts';
import { defaultApiKeySecretName } from './harness-ci-image-factory.ts';
import { settingOf, variableOf } from './settings.ts';
import { HarnessCiImageFactoryStack } from './stack.ts';

// By hand, because what is wrong must leave nothing to deploy.
const app = new App({ autoSynth: false });
/** Keys that `cdk` itself keeps in cdk.context.json. Its other keys contain a colon. */
const namesOfCdk = new Set(['acknowledged-issue-numbers', 'cli-telemetry']);

/** Settings may come as context, too: `-c registryName=…` says the same as REGISTRY_NAME, and counts for more. */
const given = Object.entries(app.node.getAllContext() as Record<string, unknown>).filter(
  ([key]) => !key.includes(':') && !namesOfCdk.has(key),
);
const context = Object.fromEntries(
  given.filter(([key]) => settingNames.includes(key)).map(([key, value]) => [variableOf(key), textOf(value)]),
);
const environment: Record<string, string | undefined> = {
  ...process.env,
  ...context,
  // On AWS the key is in Secrets Manager, whatever a local run on this machine uses.
  HARNESS_API_KEY: undefined,
};
environment['HARNESS_API_KEY_SECRET'] ||= apiKeySecretName(environment['STACK_NAME']?.trim() || defaultStackName);

const problems = [...unknownNames(), ...certificateProblems(), ...settingProblems(environment, Aws.ACCOUNT_ID)];
const configuration = problems.length === 0 ? parseDeploymentSettings(environment) : undefined;
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
const isLookedUp = configuration !== undefined && needsLookup(configuration);
if (isLookedUp && !(account && region))
  problems.push({
    path: 'VPC_ID',
    found: 'no account and region to look it up in',
    allowed: 'AWS credentials and a region; or VPC_SUBNETS with ids, and no CREATE_VPC_ENDPOINTS',
  });
if (configuration && problems.length === 0) {
  const env = isLookedUp && account && region ? { account, region } : undefined;
  try {
    new HarnessCiImageFactoryStack(app, configuration.stackName, { configuration, ...(env && { env }) });
    app.synth();
  } catch (error) {
    if (!(error instanceof FactoryError && error.problems)) throw error;
    problems.push(...error.problems);
  }
}
if (problems.length > 0) {
  const heading = `InvalidConfiguration: the settings of the deployment have ${countProblems(problems)}. docs/reference.md lists them all.`;
  console.error([heading, ...describeProblems(problems.map(asGiven))].join('\n'));
  process.exitCode = 2;
}

/** Names a setting that came as context by its key there. */
function asGiven({ path, ...problem }: Problem): Problem {
  return { ...problem, path: Object.hasOwn(context, path) ? `-c ${settingOf(path)}` : path };
}

/** Returns the default name of the secret with the API key. Each stack has its own, because accounts may differ. */
function apiKeySecretName(stackName: string): string {
  return stackName === defaultStackName ? defaultApiKeySecretName : `harness-ci-image-factory/${stackName}/api-key`;
}

/** Returns a value of cdk.json as a variable has it: a map in JSON, a list with commas. */
function textOf(value: unknown): string {
  return isObject(value) ? JSON.stringify(value) : String(value);
}

/** A misspelled one would be left out without a word. */
function unknownNames(): Problem[] {
  return given
    .filter(([key]) => !settingNames.includes(key))
    .map(([key]) => {
      const reason = meantBy(key, settingNames);
      const problem = { path: `-c ${key}`, found: 'an unknown key', allowed: settingNames.join(', ') };
      return reason === undefined ? problem : { ...problem, reason };
    });
}

function certificateProblems(): Problem[] {
  const folder = environment['REGISTRY_CERTS']?.trim();
  if (!folder || !isAbsolute(folder) || statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return [{ path: 'REGISTRY_CERTS', found: render(folder), allowed: 'a folder of this machine' }];
}
