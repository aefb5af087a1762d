import { Duration } from 'aws-cdk-lib/core';
import { Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';

/** The namespace of the metrics that the report task writes. */
export const metricsNamespace = 'HarnessCiImageFactory';

/** The metrics that the report task writes for each run, with the dimension `service`, and their statistic. */
export const factoryMetrics = {
  /** Images copied. */
  ImagesCopied: Stats.SUM,
  /** Incomplete images at the target whose missing parts were copied. */
  ImagesRepaired: Stats.SUM,
  /** Images that the target already had. */
  ImagesSkipped: Stats.SUM,
  /** Images that could not be copied. */
  ImagesFailed: Stats.SUM,
  /** Bytes uploaded to the target. */
  BytesTransferred: Stats.SUM,
  /** Blobs that the target mounted from another repository. */
  BlobsMounted: Stats.SUM,
  /** Retried requests to registries. */
  Retries: Stats.SUM,
  /** HTTP 429 responses of registries. */
  Throttles: Stats.SUM,
  /** The time from the plan to the report, in milliseconds. */
  RunDuration: Stats.MAXIMUM,
  /** Fields whose value in Harness was not the expected one. */
  DriftFound: Stats.SUM,
  /** Notifications and events of outcomes that could not be sent. */
  NotificationsFailed: Stats.SUM,
  /** Callbacks to Harness that failed. */
  CallbacksFailed: Stats.SUM,
  /** Successful runs of the action `sync`, without skipped runs. */
  SyncsSucceeded: Stats.SUM,
} as const;

export type FactoryMetric = keyof typeof factoryMetrics;

/** Returns a metric of one factory. Default period: one hour. */
export function factoryMetric(service: string, metricName: FactoryMetric, options: MetricOptions = {}): Metric {
  return metricOf(service, {
    metricName,
    statistic: factoryMetrics[metricName],
    period: Duration.hours(1),
    ...options,
  });
}

/** Returns the metric of the overdue check: the least hours since the last successful sync that it found in a period. */
export function syncAgeMetric(service: string, period: Duration): Metric {
  return metricOf(service, { metricName: 'HoursSinceSync', statistic: Stats.MINIMUM, period });
}

function metricOf(service: string, props: MetricOptions & { metricName: string }): Metric {
  return new Metric({ namespace: metricsNamespace, dimensionsMap: { service }, ...props });
}
