import { Token } from 'aws-cdk-lib/core';
import { parseEcrHost } from '../functions/oci/registry/ecr-host.ts';
import { FactoryError, type Problem } from '../functions/errors.ts';
import type { Environment } from '../functions/settings/configuration.ts';
import { render } from '../functions/settings/problems.ts';
import { withoutScheme } from '../functions/settings/registry-location.ts';
import { parseDeploymentSettings } from './deployment-settings.ts';

/**
 * Returns the problems of settings by environment variable: values that the functions would refuse at their start, and
 * invalid combinations. Values that are known only at deployment pass. `account` is the account of the stack.
 */
export function settingProblems(environment: Environment, account: string): Problem[] {
  const problems = configurationProblems(environment);
  const wrong = new Set(problems.map(({ path }) => path));
  // Without a valid target registry the ECR settings cannot be checked.
  if (wrong.has('REGISTRY_NAME')) return [...problems];
  return [...problems, ...ecrProblems(environment, account).filter(({ path }) => !wrong.has(path))];
}

function configurationProblems(environment: Environment): readonly Problem[] {
  const known = Object.fromEntries(Object.entries(environment).filter(([, text]) => !Token.isUnresolved(text)));
  try {
    parseDeploymentSettings({ HARNESS_API_KEY_SECRET: 'a', ...known });
    return [];
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    return error.problems ?? [];
  }
}

function ecrProblems(environment: Environment, account: string): Problem[] {
  const textOf = (variable: string) => environment[variable]?.trim() ?? '';
  const [target, sources, role] = [textOf('REGISTRY_NAME'), textOf('SOURCE_REGISTRY'), textOf('ECR_ROLE_ARN')];
  const problems: Problem[] = [];
  if (target !== '' && !Token.isUnresolved(target) && ecrAccount(target) === undefined) {
    const idle = ['ECR_KMS_KEY', 'ECR_KEEP_VERSIONS', 'ECR_TAGS'].filter((variable) => textOf(variable) !== '');
    if (!['', 'MUTABLE'].includes(textOf('ECR_TAG_MUTABILITY').toUpperCase())) idle.push('ECR_TAG_MUTABILITY');
    for (const path of idle)
      problems.push({ path, found: 'a value', allowed: 'nothing when images are stored elsewhere than in ECR' });
  }
  const registries = [target, ...sources.split(',')];
  const accounts = [target === '' ? account : [], ...registries.map((name) => ecrAccount(name) ?? [])].flat();
  const roleAccount = /^arn:[^:]+:iam::(\d{12}):/.exec(role)?.[1];
  const isKnown = ![...registries, ...accounts].some((text) => Token.isUnresolved(text));
  if (roleAccount !== undefined && isKnown && !accounts.includes(roleAccount))
    problems.push({
      path: 'ECR_ROLE_ARN',
      found: render(role),
      allowed: 'a role of the account of an ECR registry that images go to or come from',
    });
  return problems;
}

/** Returns the account of a registry `host[:port][/prefix]` if it is ECR. */
function ecrAccount(location: string): string | undefined {
  return parseEcrHost(withoutScheme(location.trim()).replace(/\/.*$/, ''))?.accountId;
}
