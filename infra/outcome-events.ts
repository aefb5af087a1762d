import { Stack } from 'aws-cdk-lib/core';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { outcomeDetailType, outcomeSource } from '../functions/state/outcome-event.ts';

/** Lets a role put the events of outcomes on the account's default bus, and no others. */
export function allowEvents(role: IRole): void {
  const bus = Stack.of(role).formatArn({ service: 'events', resource: 'event-bus', resourceName: 'default' });
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['events:PutEvents'],
      resources: [bus],
      conditions: { StringEquals: { 'events:source': outcomeSource, 'events:detail-type': outcomeDetailType } },
    }),
  );
}
