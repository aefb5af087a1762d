import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmProps,
  ComparisonOperator,
  MathExpression,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { factoryMetric } from './metrics.ts';

export interface AlarmsProps {
  /** The dimension of the factory's own metrics. */
  readonly service: string;
  readonly stateMachine: IStateMachine;
  readonly topic: ITopic;
  /** Of the alarm that no sync succeeded for so long; absent where runs are not regular. */
  readonly overdueAfter?: Duration | undefined;
  /** Where starts that failed end up. */
  readonly deadLetterQueue?: IQueue | undefined;
  /** The function behind the webhook's address. */
  readonly webhook?: IFunction | undefined;
}

/** What somebody should hear of, each told to the topic when it comes and when it goes. */
export class Alarms extends Construct {
  readonly all: Alarm[] = [];
  readonly #topic: ITopic;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const { service, stateMachine, topic, overdueAfter, deadLetterQueue, webhook } = props;
    this.#topic = topic;

    // Three, because an expression over metrics of which one never had a datapoint may have none either.
    const often = { period: Duration.minutes(5), statistic: Stats.SUM };
    this.#add('RunFailed', {
      alarmDescription: 'A run of Harness CI Image Factory failed. Its report says why, and what became of Harness.',
      metric: stateMachine.metricFailed(often),
      ...oneOrMore,
    });
    this.#add('RunTimedOut', {
      alarmDescription:
        'A run of Harness CI Image Factory took longer than the workflow allows. Another one puts back what it switched.',
      metric: stateMachine.metricTimedOut(often),
      ...oneOrMore,
    });
    this.#add('RunStopped', {
      alarmDescription: 'A run of Harness CI Image Factory was stopped. Another one puts back what it switched.',
      metric: stateMachine.metricAborted(often),
      ...oneOrMore,
    });
    if (overdueAfter) {
      // Hours are the finest periods that may reach back further than a day: PutMetricAlarm, "Period".
      const period = Duration.hours(1);
      this.#add('NoSyncSucceeded', {
        alarmDescription: `No sync of Harness CI Image Factory succeeded in ${overdueAfter.toHours()} hours.`,
        // Hours without a run have no datapoint. Where some are missing CloudWatch looks back further than it is told,
        // and would find the run before: "How alarm state is evaluated when data is missing",
        // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
        metric: new MathExpression({
          expression: 'FILL(syncs, 0)',
          usingMetrics: { syncs: factoryMetric(service, 'SyncsSucceeded', { period }) },
          period,
        }),
        threshold: 1,
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluationPeriods: overdueAfter.toHours(),
        // A metric that never had a datapoint cannot be relied on to be filled.
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
    if (webhook) {
      this.#add('WebhookFailed', {
        alarmDescription: 'The webhook of Harness CI Image Factory answered 5xx: see the log of its function.',
        // Not Errors: the function answers 500 where it fails. Whoever has no token gets 401, which is no 5xx.
        // https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
        metric: webhook.metric('Url5xxCount', often),
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
