import { Stack, Token } from 'aws-cdk-lib/core';
import { StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { FactoryError, type Problem } from '../functions/errors.ts';
import { countProblems, describeProblems, render } from '../functions/settings/problems.ts';
import { registryLocation } from '../functions/settings/registry-location.ts';
import { settingProblems } from './checked-settings.ts';
import { deploymentEnvironment, propOf } from './deployment-settings.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';
import { environmentOf } from './settings.ts';
import { TextSyntaxError } from '../functions/text/text-syntax-error.ts';

/** The most characters of `name`: that of a rule of EventBridge, PutRule. */
export const longestName = 64;
const namePattern = new RegExp(`^[\\w-]{1,${longestName}}$`);

/** Throws `InvalidConfiguration` with all problems of the props: invalid values and invalid combinations. */
export function assertProps(scope: Construct, props: HarnessCiImageFactoryProps): void {
  const problems = [
    ...environmentProblems(scope, props),
    ...valueProblems(props),
    ...templateProblems(props),
    ...networkProblems(props),
  ];
  if (problems.length === 0) return;
  const error = new FactoryError(
    'InvalidConfiguration',
    `the props of ${scope.node.path} have ${countProblems(problems)}`,
    {
      hint: 'Correct the props; HarnessCiImageFactoryProps describes them all.',
    },
  );
  // CDK shows only the message of an error.
  error.message = [error.message, ...describeProblems(problems)].join('\n');
  throw error;
}

/** Returns the problems of the environment that the functions would have. */
function environmentProblems(scope: Construct, props: HarnessCiImageFactoryProps): Problem[] {
  const environment = {
    ...environmentOf(props),
    ...deploymentEnvironment(props),
    WEBHOOK_TOKEN_SECRET: props.webhook?.tokenSecret ? 'a' : '',
    WEBHOOK_ALLOW: props.webhook?.allow?.join(',') ?? '',
  };
  const { account } = Stack.of(scope);
  return settingProblems(environment, account).map((problem) => ({ ...problem, path: propOf(problem.path) }));
}

/** Returns the problems that an environment variable cannot show. */
function valueProblems(props: HarnessCiImageFactoryProps): Problem[] {
  const { name, ecrTags = {}, notificationEmails } = props;
  const problems: Problem[] = registryProblems(props);
  if (name !== undefined && !Token.isUnresolved(name) && !namePattern.test(name))
    problems.push({ path: 'name', found: render(name), allowed: `1 to ${longestName} letters, digits, "-" and "_"` });
  if (notificationEmails?.some((address) => Token.isUnresolved(address)))
    // The names of the subscriptions are made of them.
    problems.push({ path: 'notificationEmails', found: 'a token', allowed: 'addresses that are known at synthesis' });
  for (const [key, value] of Object.entries(ecrTags))
    if (/[=,]/.test(key) || value.includes(','))
      problems.push({ path: 'ecrTags', found: render(`${key}: ${value}`), allowed: 'no "," and, in keys, no "="' });
  return problems;
}

/** The policies depend on the registry if it is ECR. */
function registryProblems({ registryName, registryPrefix }: HarnessCiImageFactoryProps): Problem[] {
  if (Token.isUnresolved(registryName) && registryName?.includes('.dkr.ecr.')) {
    const allowed = 'a name that is known at synthesis, or registryPrefix for the ECR of this account and region';
    return [{ path: 'registryName', found: 'a token for ECR', allowed }];
  }
  if (registryPrefix === undefined) return [];
  if (registryName !== undefined)
    return [
      { path: 'registryPrefix', found: 'a value', allowed: 'nothing with registryName, which has its own prefix' },
    ];
  if (Token.isUnresolved(registryPrefix) || isRepositoryPath(registryPrefix)) return [];
  const allowed = 'a path of lowercase letters and digits, such as team-a/harness-ci';
  return [{ path: 'registryPrefix', found: render(registryPrefix), allowed }];
}

function isRepositoryPath(text: string): boolean {
  try {
    return registryLocation(`registry.invalid/${text}`).prefix === text && text !== '';
  } catch (error) {
    if (error instanceof TextSyntaxError) return false;
    throw error;
  }
}

function templateProblems(props: HarnessCiImageFactoryProps): Problem[] {
  return (['gatherScanTemplate', 'buildPushTemplate'] as const)
    .filter((prop) => {
      const template = props[prop];
      return template instanceof StateMachine && template.stateMachineType === StateMachineType.EXPRESS;
    })
    .map((path) => ({
      path,
      found: 'an Express workflow',
      allowed: 'a Standard workflow, whose executions can be read',
    }));
}

function networkProblems(props: HarnessCiImageFactoryProps): Problem[] {
  const problems: Problem[] = [];
  if (!props.vpc) {
    for (const prop of ['vpcSubnets', 'securityGroups', 'createVpcEndpoints'] as const)
      if (props[prop]) problems.push({ path: prop, found: 'a value', allowed: 'nothing without vpc' });
  }
  if (props.securityGroups?.length === 0)
    problems.push({ path: 'securityGroups', found: 'an empty list', allowed: 'one or more, or nothing' });
  for (const prop of ['registryCerts', 'extraCaCerts'] as const) {
    const path = props[prop];
    if (path === undefined) continue;
    if (!/^\/opt(?:\/|$)/.test(path))
      problems.push({ path: prop, found: render(path), allowed: 'a path below /opt, where the layers are' });
    if (!props.layers?.length)
      problems.push({ path: 'layers', found: 'nothing', allowed: `the layer that holds what ${prop} names` });
  }
  return problems;
}
