import { ArnFormat, Stack } from 'aws-cdk-lib/core';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { Function as LambdaFunction, type IFunction } from 'aws-cdk-lib/aws-lambda';
import { type IStateMachine, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { parseArn } from '../functions/text/arn.ts';
import { allowToDescribe } from './executions.ts';

/** A state machine or function that replaces a step of a run (docs/templates.md). */
export type Template = IStateMachine | IFunction;

/** The template behind an ARN that `parseConfiguration` accepted: of one of the two kinds. */
export function templateFromArn(scope: Construct, id: string, arn: string): Template {
  return parseArn(arn).service === 'lambda'
    ? LambdaFunction.fromFunctionArn(scope, id, arn)
    : StateMachine.fromStateMachineArn(scope, id, arn);
}

export function arnOf(template: Template): string {
  return 'stateMachineArn' in template ? template.stateMachineArn : template.functionArn;
}

/** Lets a role call the template and learn its answer; of a function, the version or alias that was given alone. */
export function allowTemplate(role: Role, template: Template): void {
  const arn = arnOf(template);
  if (!('stateMachineArn' in template)) {
    role.addToPolicy(new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [arn] }));
    return;
  }
  const { resourceName: name = '' } = Stack.of(role).splitArn(arn, ArnFormat.COLON_RESOURCE_NAME);
  role.addToPolicy(new PolicyStatement({ actions: ['states:StartExecution'], resources: [arn] }));
  allowToDescribe(role, name, template.env);
}
