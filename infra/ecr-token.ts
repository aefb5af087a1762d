import { Duration } from 'aws-cdk-lib/core';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { acceptWildcard } from './accepted-findings.ts';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';
import { callRegularly } from './regular-call.ts';
import { allowRegistry } from './registry-permissions.ts';
import { allowToRead, allowToReplace } from './secret-access.ts';
import type { TargetRegistry } from './target-registry.ts';
import { type FunctionSettings, TaskFunction } from './task-function.ts';
import { pull, type TaskNeeds, token } from './task-needs.ts';

export interface EcrTokenProps extends FunctionSettings {
  /** The identifier of the secret in Harness, or the secret in Secrets Manager. */
  readonly secret: string | ISecret;
  readonly registry: TargetRegistry;
  /** The registry that stored the copies before. */
  readonly former: TargetRegistry | undefined;
  readonly settings: HarnessCiImageFactoryProps;
}

/** Passwords have the permissions of the role that requested them, so the role may pull. */
const needs: TaskNeeds = { ecr: pull, ecrRegistry: [token] };

/** Passwords are valid for 12 hours, so that one failed refresh is survived. */
const interval = Duration.hours(6);

/** Keeps a valid ECR password in a secret, for the connector of Harness. */
export class EcrToken extends Construct {
  /** The function that stores a new password. */
  readonly function: TaskFunction;

  constructor(scope: Construct, id: string, props: EcrTokenProps) {
    super(scope, id);
    const { secret, registry, former, settings } = props;
    this.function = new TaskFunction(this, 'Refresh', { ...props, task: 'ecr-token' });
    const { role, handler } = this.function;
    allowRegistry(this.function, needs, registry, settings);
    // Clusters pull from there until a sync has moved the overrides.
    for (const resource of former?.ecr?.officialArns ?? []) {
      role.addToPolicy(new PolicyStatement({ actions: [...pull], resources: [resource] }));
      acceptWildcard(role, resource, 'One repository per image.');
    }
    if (typeof secret === 'string') {
      if (settings.harnessApiKeySecret) allowToRead(role, settings.harnessApiKeySecret);
    } else allowToReplace(role, secret);
    handler.configureAsyncInvoke({ retryAttempts: 2, maxEventAge: Duration.hours(1) });
    callRegularly(this, handler, interval, 'the refresh of the ECR password');
  }
}
