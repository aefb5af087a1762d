import { describe, expect, it } from '@jest/globals';
import { Stack } from 'aws-cdk-lib/core';
import { Match } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { DefinitionBody, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { RunSchedule, type RunScheduleProps } from '../../infra/schedule.ts';
import { fill, synthesize, text } from './synthesize.ts';

/** A schedule alone in a stack. */
function scheduled(props: Omit<RunScheduleProps, 'stateMachine'> = {}, withKey = false) {
  const put = (stack: Stack) => {
    const definitionBody = DefinitionBody.fromString('{"StartAt":"End","States":{"End":{"Type":"Succeed"}}}');
    const stateMachine = new StateMachine(stack, 'Machine', { definitionBody });
    const encryptionKey = withKey ? new Key(stack, 'Key') : undefined;
    return new RunSchedule(stack, 'Nightly', { stateMachine, encryptionKey, ...props });
  };
  const { stack, made: schedule, template } = fill(put);
  const idOf = (type: string, prefix = '') =>
    Object.keys(template.findResources(type)).find((id) => id.startsWith(prefix)) ?? '';
  return { stack, schedule, template, idOf };
}

/** EventBridge Scheduler puts the ARN of the schedule in place of its keyword. */
const markOnly = '{"started_by_schedule":"<aws.scheduler.schedule-arn>"}';

describe('the schedule', () => {
  const nightly = scheduled();

  it('starts the workflow with the defaults, daily at two UTC', () => {
    const { template, idOf } = nightly;
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'cron(0 2 * * ? *)',
      ScheduleExpressionTimezone: 'UTC',
      State: 'ENABLED',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: { Arn: { Ref: idOf('AWS::StepFunctions::StateMachine') }, Input: markOnly },
    });
  });

  it('starts runs with an input of its own', () => {
    scheduled({ input: { soak_days: 30 } }).template.hasResourceProperties('AWS::Scheduler::Schedule', {
      Target: { Input: '{"soak_days":30,"started_by_schedule":"<aws.scheduler.schedule-arn>"}' },
    });
  });

  it('keeps its hour in a time zone with summer time', () => {
    scheduled({ cron: 'cron(30 4 ? * mon-fri *)', timeZone: 'Europe/Berlin' }).template.hasResourceProperties(
      'AWS::Scheduler::Schedule',
      { ScheduleExpression: 'cron(30 4 ? * MON-FRI *)', ScheduleExpressionTimezone: 'Europe/Berlin' },
    );
  });

  it('tries three times within an hour, then keeps what it could not start', () => {
    const { template, idOf } = nightly;
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      Target: {
        RetryPolicy: { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 3 },
        DeadLetterConfig: { Arn: { 'Fn::GetAtt': [idOf('AWS::SQS::Queue'), 'Arn'] } },
      },
    });
  });

  it('keeps it encrypted, for TLS only', () => {
    const { template } = nightly;
    template.hasResourceProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
    template.hasResourceProperties('AWS::SQS::QueuePolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
  });

  const statements = ({ template, idOf }: ReturnType<typeof scheduled>) => {
    const role = idOf('AWS::IAM::Role', 'Nightly');
    const policies = Object.values(template.findResources('AWS::IAM::Policy')) as {
      Properties: { Roles: { Ref: string }[]; PolicyDocument: { Statement: { Action: string; Resource: unknown }[] } };
    }[];
    return policies
      .filter(({ Properties }) => Properties.Roles.some(({ Ref }) => Ref === role))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
      .map(({ Action, Resource }) => [Action, text(Resource)]);
  };

  it('may start this state machine and fill its queue, nothing else', () => {
    expect(statements(nightly)).toEqual([
      ['states:StartExecution', `<${nightly.idOf('AWS::StepFunctions::StateMachine')}>`],
      ['sqs:SendMessage', `<${nightly.idOf('AWS::SQS::Queue')}.Arn>`],
    ]);
  });

  it('trusts only the Scheduler of this account', () => {
    nightly.template.hasResourceProperties('AWS::IAM::Role', {
      AssumeRolePolicyDocument: {
        Statement: [
          {
            Action: 'sts:AssumeRole',
            Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
            Effect: 'Allow',
            Principal: { Service: 'scheduler.amazonaws.com' },
          },
        ],
      },
    });
  });

  it('encrypts the queue with the given key', () => {
    const made = scheduled({}, true);
    const key = made.idOf('AWS::KMS::Key');
    made.template.hasResourceProperties('AWS::SQS::Queue', {
      KmsMasterKeyId: { 'Fn::GetAtt': [key, 'Arn'] },
    });
    expect(statements(made)).toContainEqual([['kms:Decrypt', 'kms:GenerateDataKey'], `<${key}.Arn>`]);
  });

  it.each([
    [{ cron: '0 2 * * *' }, /cron expression/],
    [{ timeZone: '+02:00' }, /time zone/],
    [{ timeZone: 'Europe/Atlantis' }, /Atlantis/],
  ])('refuses %j', (props, message) => expect(() => scheduled(props)).toThrow(message));
});

describe('the schedule of the stack', () => {
  it('creates the schedule by default', () => {
    const { template } = synthesize();
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'cron(0 2 * * ? *)',
      ScheduleExpressionTimezone: 'UTC',
    });
    // The other trigger is the other way round.
    template.resourceCountIs('AWS::Lambda::Url', 0);
  });

  it('can be off', () => {
    const { template } = synthesize({ SCHEDULE: 'off' });
    template.resourceCountIs('AWS::Scheduler::Schedule', 0);
    template.resourceCountIs('AWS::SQS::Queue', 0);
  });

  it('follows SCHEDULE and SCHEDULE_TIME_ZONE', () => {
    synthesize({
      SCHEDULE: '15 3 ? * SAT *',
      SCHEDULE_TIME_ZONE: 'America/New_York',
    }).template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'cron(15 3 ? * SAT *)',
      ScheduleExpressionTimezone: 'America/New_York',
    });
  });
});

describe('the report task', () => {
  const variablesOf = (environment = {}) =>
    synthesize(environment).functions.get('report')?.Environment.Variables ?? {};

  it('knows the schedule, for the time of the next run', () => {
    expect(variablesOf()).toMatchObject({ SCHEDULE: '0 2 * * ? *', SCHEDULE_TIME_ZONE: 'UTC' });
    expect(variablesOf({ SCHEDULE: 'cron(30 4 ? * mon-fri *)', SCHEDULE_TIME_ZONE: 'Europe/Berlin' })).toMatchObject({
      SCHEDULE: '30 4 ? * MON-FRI *',
      SCHEDULE_TIME_ZONE: 'Europe/Berlin',
    });
  });

  it('knows none where runs have no schedule', () => {
    const variables = variablesOf({ SCHEDULE: 'off' });
    expect(variables).not.toHaveProperty('SCHEDULE');
    expect(variables).not.toHaveProperty('SCHEDULE_TIME_ZONE');
  });
});
