import { ArnFormat, Stack } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { acceptWildcard } from './accepted-finding.ts';

/** Lets a role read the executions of a state machine, by default one of its own account and region. */
export function allowToDescribe(role: Role, name: string, env: { region?: string; account?: string } = {}): void {
  const executions = Stack.of(role).formatArn({
    ...env,
    service: 'states',
    resource: 'execution',
    resourceName: `${name}:*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  role.addToPolicy(new PolicyStatement({ actions: ['states:DescribeExecution'], resources: [executions] }));
  acceptWildcard(role, executions, 'The executions of one state machine, by run id.');
}
