import { Duration } from 'aws-cdk-lib';
import { Alarm, type AlarmProps, ComparisonOperator, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

export interface AlarmsProps {
  readonly stateMachine: IStateMachine;
  readonly topic: ITopic;
  /** Of the alarm that no run succeeded for so long; absent where runs are not regular. */
  readonly overdueAfter?: Duration | undefined;
  /** Where starts that failed end up. */
  readonly deadLetterQueue?: IQueue | undefined;
}

/** What somebody should hear of, each told to the topic when it comes and when it goes. */
export class Alarms extends Construct {
  readonly all: Alarm[] = [];
  readonly #topic: ITopic;

  constructor(scope: Construct, id: string, { stateMachine, topic, overdueAfter, deadLetterQueue }: AlarmsProps) {
    super(scope, id);
    this.#topic = topic;

    // Two, because an expression over metrics of which one never had a datapoint may have none either. Runs that
    // somebody stopped need no alarm.
    const often = { period: Duration.minutes(5), statistic: Stats.SUM };
    this.#add('RunFailed', {
      alarmDescription: 'A run of Harness CI Image Factory failed. Its report says why, and what became of Harness.',
      metric: stateMachine.metricFailed(often),
      ...oneOrMore,
    });
    this.#add('RunTimedOut', {
      alarmDescription: 'A run of Harness CI Image Factory took longer than the workflow allows.',
      metric: stateMachine.metricTimedOut(often),
      ...oneOrMore,
    });
    if (overdueAfter) {
      this.#add('NoRunSucceeded', {
        alarmDescription: `No run of Harness CI Image Factory succeeded in ${overdueAfter.toHours()} hours.`,
        // Hours are the finest periods that may reach back further than a day: PutMetricAlarm, "Period".
        metric: stateMachine.metricSucceeded({ period: Duration.hours(1), statistic: Stats.SUM }),
        threshold: 1,
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluationPeriods: overdueAfter.toHours(),
        // Hours without a run have no datapoint.
        treatMissingData: TreatMissingData.BREACHING,
      });
    }
    if (deadLetterQueue) {
      this.#add('StartFailed', {
        alarmDescription: 'The schedule could not start Harness CI Image Factory: see its dead-letter queue.',
        metric: deadLetterQueue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5) }),
        ...oneOrMore,
      });
    }
  }

  #add(id: string, props: AlarmProps): void {
    const alarm = new Alarm(this, id, props);
    alarm.addAlarmAction(new SnsAction(this.#topic));
    alarm.addOkAction(new SnsAction(this.#topic));
    this.all.push(alarm);
  }
}

const oneOrMore = {
  threshold: 1,
  comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  evaluationPeriods: 1,
  treatMissingData: TreatMissingData.NOT_BREACHING,
};
