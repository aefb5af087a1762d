import { Duration } from 'aws-cdk-lib/core';
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
import { numberText } from '../settings.ts';
import { type FactoryMetric, factoryMetric, syncAgeMetric } from './metrics.ts';

export interface AlarmsProps {
  /** The dimension of the factory's own metrics. */
  readonly service: string;
  readonly stateMachine: IStateMachine;
  /** The function that writes and sends the report of each run. */
  readonly report: IFunction;
  readonly topic: ITopic;
  /** Time without a successful sync that raises an alarm. Above `longestWindowHours` it needs an `OverdueCheck`. */
  readonly overdueAfter?: Duration | undefined;
  /** Receives failed starts. */
  readonly deadLetterQueue?: IQueue | undefined;
  /** The function behind the webhook's address. */
  readonly webhook?: IFunction | undefined;
  /** The function that refreshes the ECR password. */
  readonly ecrToken?: IFunction | undefined;
  /** Runs call back to Harness. */
  readonly hasCallback: boolean;
}

/** The most hours that an alarm can look back: PutMetricAlarm, "Period". */
export const longestWindowHours = 168;

/** Creates the alarms. Each publishes to the topic when it is raised and when it clears. */
export class Alarms extends Construct {
  /** Every alarm of the factory. */
  readonly all: Alarm[] = [];
  readonly #topic: ITopic;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    const { service, stateMachine, report, topic, overdueAfter, deadLetterQueue, webhook, ecrToken, hasCallback } =
      props;
    this.#topic = topic;

    // Three alarms, because an expression over metrics has no datapoint while one of them never had any.
    const often = { period: Duration.minutes(5), statistic: Stats.SUM };
    const own = (name: FactoryMetric) => ({ metric: factoryMetric(service, name, often), ...oneOrMore });
    this.#add('RunFailed', 'A run failed. Its report has the reason and the state of Harness.', {
      metric: stateMachine.metricFailed(often),
      ...oneOrMore,
    });
    this.#add('RunTimedOut', 'A run timed out. A recovery run restores what it switched.', {
      metric: stateMachine.metricTimedOut(often),
      ...oneOrMore,
    });
    this.#add('RunStopped', 'A run was stopped. A recovery run restores what it switched.', {
      metric: stateMachine.metricAborted(often),
      ...oneOrMore,
    });
    this.#add(
      'ImagesFailed',
      'Images could not be copied. The report of the run has the reasons.',
      own('ImagesFailed'),
    );
    this.#add(
      'DriftFound',
      'A verification found that Harness or the copies differ from what they should be.',
      own('DriftFound'),
    );
    this.#add(
      'NotificationFailed',
      'The outcome of a run could not be sent to the topic or the event bus.',
      own('NotificationsFailed'),
    );
    this.#add('ReportFailed', 'A run has ended, but its report cannot be written, and nobody was told.', {
      // The workflow repeats the task, so a single error means nothing. It may run for 15 minutes before each.
      metric: report.metricErrors({ period: Duration.hours(1), statistic: Stats.SUM }),
      ...oneOrMore,
      threshold: 3,
    });
    if (hasCallback)
      this.#add('CallbackFailed', 'The callback to Harness at the end of a run failed.', own('CallbacksFailed'));
    if (overdueAfter) this.#watchSyncs(service, overdueAfter.toHours());
    if (deadLetterQueue) {
      this.#add('StartFailed', 'The schedule could not start a run. See its dead-letter queue.', {
        metric: deadLetterQueue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5) }),
        ...oneOrMore,
      });
    }
    if (webhook) {
      this.#add('WebhookFailed', 'The webhook returned HTTP 5xx. See the log of its function.', {
        // Not Errors: the function responds 500 when it fails. Requests without a token get 401.
        // https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
        metric: webhook.metric('Url5xxCount', often),
        ...oneOrMore,
      });
    }
    if (ecrToken) this.#watchToken(ecrToken);
  }

  #watchSyncs(service: string, hours: number): void {
    const description = `No sync succeeded in ${numberText(hours)} hours.`;
    if (hours > longestWindowHours) {
      const alarm = this.#add('NoSyncSucceeded', description, {
        // The check writes one value an hour.
        metric: syncAgeMetric(service, Duration.hours(3)),
        threshold: hours,
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        evaluationPeriods: 1,
        treatMissingData: TreatMissingData.MISSING,
      });
      // The check itself does not run. A new alarm has no data without a notification, until the first check.
      alarm.addInsufficientDataAction(new SnsAction(this.#topic));
      return;
    }
    // One hour is the shortest period that may look back more than a day.
    const period = Duration.hours(1);
    this.#add('NoSyncSucceeded', description, {
      // Hours without a run have no datapoint. If some are missing, CloudWatch looks back further than configured,
      // and would find the previous run: "How alarm state is evaluated when data is missing",
      // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
      metric: new MathExpression({
        expression: 'FILL(syncs, 0)',
        usingMetrics: { syncs: factoryMetric(service, 'SyncsSucceeded', { period }) },
        period,
      }),
      ...fewerThanOne(hours),
    });
  }

  /** The password expires 12 hours after the last refresh. */
  #watchToken(ecrToken: IFunction): void {
    this.#add('EcrTokenFailed', 'The ECR password could not be refreshed. See the log of its function.', {
      metric: ecrToken.metricErrors({ period: Duration.minutes(5), statistic: Stats.SUM }),
      ...oneOrMore,
    });
    const period = Duration.hours(1);
    const hourly = { period, statistic: Stats.SUM };
    this.#add('EcrTokenOld', 'The ECR password is older than 8 hours. It expires after 12.', {
      metric: new MathExpression({
        expression: 'FILL(calls, 0) - FILL(errors, 0)',
        usingMetrics: { calls: ecrToken.metricInvocations(hourly), errors: ecrToken.metricErrors(hourly) },
        period,
      }),
      ...fewerThanOne(8),
    });
  }

  /** Adds an alarm. Its description ends with the section of the runbook. */
  #add(id: string, description: string, props: AlarmProps): Alarm {
    const alarmDescription = `Harness CI Image Factory: ${description} What to do: docs/runbook.md#${id.toLowerCase()}`;
    const alarm = new Alarm(this, id, { ...props, alarmDescription });
    alarm.addAlarmAction(new SnsAction(this.#topic));
    alarm.addOkAction(new SnsAction(this.#topic));
    this.all.push(alarm);
    return alarm;
  }
}

/** Raises an alarm when each of some hours has a value below one. */
function fewerThanOne(hours: number) {
  return {
    threshold: 1,
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    evaluationPeriods: hours,
    // FILL may not fill a metric that never had a datapoint.
    treatMissingData: TreatMissingData.BREACHING,
  };
}

const oneOrMore = {
  threshold: 1,
  comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
  evaluationPeriods: 1,
  treatMissingData: TreatMissingData.NOT_BREACHING,
};
