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
  /** Raises an alarm when no sync succeeded for this time. Absent if runs are not regular. */
  readonly overdueAfter?: Duration | undefined;
  /** Receives failed starts. */
  readonly deadLetterQueue?: IQueue | undefined;
  /** The function behind the webhook's address. */
  readonly webhook?: IFunction | undefined;
  /** The function that refreshes the ECR password. */
  readonly ecrToken?: IFunction | undefined;
}

/** Creates the alarms. Each publishes to the topic when it is raised and when it clears. */
export class Alarms extends Construct {
  readonly all: Alarm[] = [];
  readonly #topic: ITopic;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const { service, stateMachine, topic, overdueAfter, deadLetterQueue, webhook, ecrToken } = props;
    this.#topic = topic;

    // Three alarms, because an expression over metrics has no datapoint while one of them never had any.
    const often = { period: Duration.minutes(5), statistic: Stats.SUM };
    this.#add('RunFailed', {
      alarmDescription: 'A run of Harness CI Image Factory failed. Its report has the reason and the state of Harness.',
      metric: stateMachine.metricFailed(often),
      ...oneOrMore,
    });
    this.#add('RunTimedOut', {
      alarmDescription: 'A run of Harness CI Image Factory timed out. A recovery run restores what it switched.',
      metric: stateMachine.metricTimedOut(often),
      ...oneOrMore,
    });
    this.#add('RunStopped', {
      alarmDescription: 'A run of Harness CI Image Factory was stopped. A recovery run restores what it switched.',
      metric: stateMachine.metricAborted(often),
      ...oneOrMore,
    });
    if (overdueAfter) {
      // One hour is the shortest period that may look back more than a day: PutMetricAlarm, "Period".
      const period = Duration.hours(1);
      this.#add('NoSyncSucceeded', {
        alarmDescription: `No sync of Harness CI Image Factory succeeded in ${overdueAfter.toHours()} hours.`,
        // Hours without a run have no datapoint. If some are missing, CloudWatch looks back further than configured,
        // and would find the previous run: "How alarm state is evaluated when data is missing",
        // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
        metric: new MathExpression({
          expression: 'FILL(syncs, 0)',
          usingMetrics: { syncs: factoryMetric(service, 'SyncsSucceeded', { period }) },
          period,
        }),
        threshold: 1,
        comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluationPeriods: overdueAfter.toHours(),
        // FILL may not fill a metric that never had a datapoint.
        treatMissingData: TreatMissingData.BREACHING,
      });
    }
    if (deadLetterQueue) {
      this.#add('StartFailed', {
        alarmDescription: 'The schedule could not start Harness CI Image Factory. See its dead-letter queue.',
        metric: deadLetterQueue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5) }),
        ...oneOrMore,
      });
    }
    if (webhook) {
      this.#add('WebhookFailed', {
        alarmDescription: 'The webhook of Harness CI Image Factory returned HTTP 5xx. See the log of its function.',
        // Not Errors: the function responds 500 when it fails. Requests without a token get 401.
        // https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
        metric: webhook.metric('Url5xxCount', often),
        ...oneOrMore,
      });
    }
    if (ecrToken) this.#watchToken(ecrToken);
  }

  /** The password expires 12 hours after the last refresh. */
  #watchToken(ecrToken: IFunction): void {
    this.#add('EcrTokenFailed', {
      alarmDescription: 'Harness CI Image Factory could not refresh the ECR password. See the log of its function.',
      metric: ecrToken.metricErrors({ period: Duration.minutes(5), statistic: Stats.SUM }),
      ...oneOrMore,
    });
    const period = Duration.hours(1);
    const hourly = { period, statistic: Stats.SUM };
    this.#add('EcrTokenOld', {
      alarmDescription: 'The ECR password of Harness CI Image Factory is older than 8 hours. It expires after 12.',
      metric: new MathExpression({
        expression: 'FILL(calls, 0) - FILL(errors, 0)',
        usingMetrics: { calls: ecrToken.metricInvocations(hourly), errors: ecrToken.metricErrors(hourly) },
        period,
      }),
      threshold: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: 8,
      // FILL may not fill a metric that never had a datapoint.
      treatMissingData: TreatMissingData.BREACHING,
    });
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
