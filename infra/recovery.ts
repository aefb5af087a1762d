import { Stack } from 'aws-cdk-lib/core';
import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets';
import { Role } from 'aws-cdk-lib/aws-iam';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { servicePrincipal } from './service-principal.ts';

/** The start of an execution input that restores an interrupted run. */
const recoveryInput = '{"recover_run"';

interface RecoveryProps {
  readonly name: string;
  readonly stateMachine: IStateMachine;
}

/**
 * Starts an execution that puts back what another one had switched, when that was stopped, timed out, or was ended by
 * Step Functions itself. Such an end lets no state of the workflow act any more.
 *
 * It never loops: the rule leaves out executions that it started. EventBridge delivers at least once; the second
 * execution finds the lock taken, or a report.
 */
export class Recovery extends Construct {
  constructor(scope: Construct, id: string, { name, stateMachine }: RecoveryProps) {
    super(scope, id);
    const stack = Stack.of(this);
    const rule = new Rule(this, 'Stopped', {
      ruleName: name,
      description: 'Harness CI Image Factory: puts back what a stopped run had switched',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          stateMachineArn: [stateMachine.stateMachineArn],
          // Events of a workflow that a key of the customer's encrypts have no input, and no error. `anything-but`
          // matches an input of null as well (localstack/localstack#13268), which CloudFormation lets no template name
          // (aws-cloudformation/cloudformation-coverage-roadmap#1378).
          input: [{ 'anything-but': { prefix: recoveryInput } }, { exists: false }],
          // A failure of the workflow's own has a report.
          $or: [{ status: ['ABORTED', 'TIMED_OUT'] }, { status: ['FAILED'], error: [{ prefix: 'States.' }] }],
        },
      },
    });
    const role = new Role(this, 'Role', {
      assumedBy: servicePrincipal('events', {
        // From the name, because the rule has the role.
        conditions: {
          StringEquals: { 'aws:SourceAccount': stack.account },
          ArnEquals: {
            'aws:SourceArn': stack.formatArn({ service: 'events', resource: 'rule', resourceName: name }),
          },
        },
      }),
    });
    const input = RuleTargetInput.fromObject({ recover_run: EventField.fromPath('$.detail.name') });
    rule.addTarget(new SfnStateMachine(stateMachine, { input, role }));
  }
}
