import { Duration } from 'aws-cdk-lib/core';
import {
  AlarmStatusWidget,
  Dashboard as CloudWatchDashboard,
  type Alarm,
  GraphWidget,
  type IMetric,
  LogQueryVisualizationType,
  LogQueryWidget,
  Stats,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { type FactoryMetric, factoryMetric } from './metrics.ts';

export interface DashboardProps {
  /** The dimension of the factory's own metrics. */
  readonly service: string;
  readonly stateMachine: IStateMachine;
  readonly copy: { readonly handler: IFunction; readonly logGroup: ILogGroup };
  readonly alarms: readonly Alarm[];
}

const width = 8;
const period = Duration.hours(1);

/** One page that tells whether the factory does its work, and what that takes. */
export class Dashboard extends Construct {
  readonly name: string;

  constructor(scope: Construct, id: string, { service, stateMachine, copy, alarms }: DashboardProps) {
    super(scope, id);
    const own = (name: FactoryMetric, label: string) => factoryMetric(service, name, { label, period });
    const sum = { period, statistic: Stats.SUM };
    const dashboard = new CloudWatchDashboard(this, 'Dashboard', {
      defaultInterval: Duration.days(7),
      widgets: [
        [new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 24, height: 3 })],
        [
          graph('Runs', [
            stateMachine.metricSucceeded({ ...sum, label: 'succeeded or skipped' }),
            own('SyncsSucceeded', 'synchronized'),
            stateMachine.metricFailed({ ...sum, label: 'failed' }),
            stateMachine.metricTimedOut({ ...sum, label: 'timed out' }),
            stateMachine.metricAborted({ ...sum, label: 'stopped' }),
          ]),
          graph('Duration of runs (ms)', [own('RunDuration', 'longest')]),
          graph(
            'Drift (fields), failed deliveries',
            [own('DriftFound', 'fields')],
            [own('NotificationsFailed', 'notifications'), own('CallbacksFailed', 'callbacks')],
          ),
        ],
        [
          graph('Images', [
            own('ImagesCopied', 'copied'),
            own('ImagesRepaired', 'repaired'),
            own('ImagesSkipped', 'there already'),
            own('ImagesFailed', 'failed'),
          ]),
          graph('Bytes moved', [own('BytesTransferred', 'bytes')], [own('BlobsMounted', 'blobs mounted')]),
          graph('Registries', [own('Throttles', 'HTTP 429'), own('Retries', 'retried requests')]),
        ],
        [
          graph('Copy function: calls', [
            copy.handler.metricInvocations({ ...sum, label: 'calls' }),
            copy.handler.metricErrors({ ...sum, label: 'errors' }),
            copy.handler.metricThrottles({ ...sum, label: 'throttled by Lambda' }),
          ]),
          graph('Copy function: duration (ms)', [
            copy.handler.metricDuration({ period, statistic: Stats.p(50), label: 'median' }),
            copy.handler.metricDuration({ period, statistic: Stats.MAXIMUM, label: 'longest' }),
          ]),
          new LogQueryWidget({
            title: 'Copy function: memory (MB)',
            view: LogQueryVisualizationType.LINE,
            logGroupNames: [copy.logGroup.logGroupName],
            // Fields that CloudWatch finds in the lines with which Lambda ends every call, in millions of bytes to the
            // MB: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-examples.html
            queryLines: [
              'filter @type = "REPORT"',
              'stats max(@maxMemoryUsed / 1000000) as used, max(@memorySize / 1000000) as available by bin(1h)',
            ],
            width,
          }),
        ],
      ],
    });
    this.name = dashboard.dashboardName;
  }
}

function graph(title: string, left: IMetric[], right: IMetric[] = []): GraphWidget {
  return new GraphWidget({ title, left, right, width, leftYAxis: { min: 0 } });
}
