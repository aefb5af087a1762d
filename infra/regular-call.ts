import { Duration } from 'aws-cdk-lib/core';
import { Role } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';
import { acceptWildcard } from './accepted-findings.ts';
import { scheduler } from './service-principal.ts';

/** Lets EventBridge Scheduler invoke a function at an interval. `work` names it in the description. */
export function callRegularly(scope: Construct, handler: IFunction, interval: Duration, work: string): void {
  const role = new Role(scope, 'SchedulerRole', { assumedBy: scheduler(scope) });
  acceptWildcard(role, `${handler.functionArn}:*`, 'CDK adds the versions of the function.');
  new Schedule(scope, 'Schedule', {
    description: `Harness CI Image Factory: ${work}`,
    schedule: ScheduleExpression.rate(interval),
    target: new LambdaInvoke(handler, {
      input: ScheduleTargetInput.fromObject({}),
      role,
      retryAttempts: 3,
      maxEventAge: Duration.hours(1),
    }),
  });
}
