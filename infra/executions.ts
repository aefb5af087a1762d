import { ArnFormat, Stack } from 'aws-cdk-lib/core';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { acceptWildcard } from './accepted-findings.ts';
import { allowExecutions } from './encryption.ts';

interface Place {
  region?: string;
  account?: string;
}

/** Lets a role read the executions of a state machine, by default one of its own account and region. */
export function allowToDescribe(role: Role, name: string, env: Place = {}): void {
  allow(role, name, ['states:DescribeExecution'], env);
}

/** Lets a role stop the executions of a state machine, and look which state they are in. */
export function allowToStop(role: Role, { stateMachineName, stateMachineArn }: StateMachine, key?: IKey): void {
  allow(role, stateMachineName, ['states:GetExecutionHistory', 'states:StopExecution']);
  // The reason of a stop is encrypted: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
  if (key) allowExecutions(role, key, stateMachineArn, ['kms:GenerateDataKey']);
}

function allow(role: Role, name: string, actions: string[], env: Place = {}): void {
  const executions = Stack.of(role).formatArn({
    ...env,
    service: 'states',
    resource: 'execution',
    resourceName: `${name}:*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  role.addToPolicy(new PolicyStatement({ actions, resources: [executions] }));
  acceptWildcard(role, executions, 'The executions of one state machine, by run id.');
}
