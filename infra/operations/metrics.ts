import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';

/** The namespace of the metrics that the report task writes. */
export const metricsNamespace = 'HarnessCiImageFactory';

/** What the report task writes of every run, with the dimension `service`, and how a period of it is summed up. */
export const factoryMetrics = {
  /** Images copied. */
  ImagesCopied: Stats.SUM,
  /** Images that were at the target, lacked something, and were copied again where they did. */
  ImagesRepaired: Stats.SUM,
  /** Images that were at the target already. */
  ImagesSkipped: Stats.SUM,
  /** Images that could not be copied. */
  ImagesFailed: Stats.SUM,
  /** Bytes moved to the target. */
  BytesTransferred: Stats.SUM,
  /** Blobs that the target took from another of its repositories. */
  BlobsMounted: Stats.SUM,
  /** Requests to registries that were sent again. */
  Retries: Stats.SUM,
  /** Answers 429 of registries. */
  Throttles: Stats.SUM,
  /** Milliseconds from the plan to the report. */
  RunDuration: Stats.MAXIMUM,
  /** Fields that Harness did not show as they should be. */
  DriftFound: Stats.SUM,
  /** Runs of the action `sync` that succeeded. One that was skipped did not. */
  SyncsSucceeded: Stats.SUM,
} as const;

export type FactoryMetric = keyof typeof factoryMetrics;

/** A metric of one factory. Period, unless told otherwise: an hour, which is finer than runs come. */
export function factoryMetric(service: string, metricName: FactoryMetric, options: MetricOptions = {}): Metric {
  return new Metric({
    namespace: metricsNamespace,
    metricName,
    dimensionsMap: { service },
    statistic: factoryMetrics[metricName],
    period: Duration.hours(1),
    ...options,
  });
}
