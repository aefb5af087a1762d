import { Duration, Stack, TimeZone } from 'aws-cdk-lib';
import { Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { parseCron, parseTimeZone } from '../functions/settings/cron.ts';
import { acceptFinding } from './accepted-finding.ts';
import { servicePrincipal } from './service-principal.ts';

export interface RunScheduleProps {
  readonly stateMachine: IStateMachine;
  /**
   * When, as the six fields of an EventBridge cron expression.
   * @default '0 2 * * ? *' - daily at two
   */
  readonly cron?: string | undefined;
  /**
   * The time zone of `cron`, with its summer time, by its name in the IANA database.
   * @default 'UTC'
   */
  readonly timeZone?: string | undefined;
  /**
   * The key of the dead letters.
   * @default - SQS's own
   */
  readonly encryptionKey?: IKey | undefined;
}

/**
 * Starts the workflow regularly with the deployment's defaults. EventBridge Scheduler delivers at least once; a second
 * start finds the lock of the Harness account taken, or nothing left to do.
 */
export class RunSchedule extends Construct {
  /** Starts that failed for an hour. */
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: RunScheduleProps) {
    super(scope, id);
    const { stateMachine, cron = '0 2 * * ? *', timeZone = 'UTC', encryptionKey } = props;
    this.deadLetterQueue = new Queue(this, 'DeadLetters', {
      ...(encryptionKey
        ? { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }
        : { encryption: QueueEncryption.SQS_MANAGED }),
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    acceptFinding(this.deadLetterQueue, 'SQS3', 'It is the dead-letter queue.');
    // CDK's own would be shared with other schedules of the state machine, and not know the key.
    const role = new Role(this, 'Role', {
      assumedBy: servicePrincipal('scheduler', {
        // As the user guide has it, against the confused deputy: for schedules of this account alone.
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    encryptionKey?.grant(role, 'kms:Decrypt', 'kms:GenerateDataKey');
    new Schedule(this, 'Schedule', {
      description: 'Harness CI Image Factory: the regular run',
      schedule: ScheduleExpression.expression(`cron(${parseCron(cron)})`, TimeZone.of(parseTimeZone(timeZone))),
      target: new StepFunctionsStartExecution(stateMachine, {
        input: ScheduleTargetInput.fromObject({}),
        role,
        deadLetterQueue: this.deadLetterQueue,
        retryAttempts: 3,
        maxEventAge: Duration.hours(1),
      }),
    });
  }
}
