import { Duration, TimeZone } from 'aws-cdk-lib/core';
import { Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { ContextAttribute, Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { scheduleMark } from '../functions/settings/schedule-mark.ts';
import { parseCron, parseTimeZone } from '../functions/settings/cron.ts';
import { acceptFindings } from './accepted-findings.ts';
import { scheduler } from './service-principal.ts';

/** Daily at 02:00. */
export const defaultSchedule = '0 2 * * ? *';
export const defaultTimeZone = 'UTC';

export interface RunScheduleProps {
  readonly stateMachine: IStateMachine;
  /**
   * The six fields of an EventBridge cron expression.
   * @default '0 2 * * ? *' - daily at 02:00
   */
  readonly cron?: string | undefined;
  /**
   * The time zone of `cron`, as its name in the IANA database. Follows daylight saving time.
   * @default 'UTC'
   */
  readonly timeZone?: string | undefined;
  /**
   * The input of the runs.
   * @default {}
   */
  readonly input?: Readonly<Record<string, unknown>> | undefined;
  /**
   * The KMS key of the dead-letter queue.
   * @default - the key of SQS
   */
  readonly encryptionKey?: IKey | undefined;
}

/** Starts the workflow on a schedule, at least once: a second start finds the lock held, or no work left. */
export class RunSchedule extends Construct {
  /** Receives starts that failed for an hour. */
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: RunScheduleProps) {
    super(scope, id);
    const { stateMachine, cron = defaultSchedule, timeZone = defaultTimeZone, input = {}, encryptionKey } = props;
    this.deadLetterQueue = new Queue(this, 'DeadLetters', {
      ...(encryptionKey
        ? { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }
        : { encryption: QueueEncryption.SQS_MANAGED }),
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    acceptFindings(this.deadLetterQueue, ['AwsSolutions-SQS3'], 'It is the dead-letter queue.');
    if (!encryptionKey)
      acceptFindings(
        this.deadLetterQueue,
        ['CKV_AWS_27'],
        'SQS encrypts with a key of its own, which the rule does not see. KMS_KEY_ARN sets one of yours.',
      );
    // CDK's default role is shared with other schedules of the state machine, and may not use the key.
    const role = new Role(this, 'Role', {
      assumedBy: scheduler(this),
    });
    encryptionKey?.grant(role, 'kms:Decrypt', 'kms:GenerateDataKey');
    new Schedule(this, 'Schedule', {
      description: 'Harness CI Image Factory: the regular run',
      schedule: ScheduleExpression.expression(`cron(${parseCron(cron)})`, TimeZone.of(parseTimeZone(timeZone))),
      target: new StepFunctionsStartExecution(stateMachine, {
        input: ScheduleTargetInput.fromObject({ ...input, [scheduleMark]: ContextAttribute.scheduleArn }),
        role,
        deadLetterQueue: this.deadLetterQueue,
        retryAttempts: 3,
        maxEventAge: Duration.hours(1),
      }),
    });
  }
}
