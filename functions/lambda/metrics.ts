import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Report } from '../state/documents.ts';

type Measurement = readonly [unit: (typeof MetricUnit)[keyof typeof MetricUnit], value: number];

/** Returns the metrics of a run by name. */
export function measurementsOf(report: Report): Record<string, Measurement> {
  const { status, action, totals, registries = [], config, error } = report;
  const sum = (key: 'retries' | 'throttles' | 'mounts') =>
    registries.reduce((total, registry) => total + registry[key], 0);
  const count = (value: number): Measurement => [MetricUnit.Count, value];
  // Of `verify`: what sync would write. Images that differ are told, but not counted.
  const differing = action === 'verify' ? config.filter((row) => row.status === 'planned').length : 0;
  // A plan moves nothing: its numbers are of what would be.
  const done = action === 'plan' ? { ...totals, bytesTransferred: 0, bytesSkipped: 0 } : totals;
  return {
    ImagesCopied: count(done.copied),
    ImagesRepaired: count(done.repaired ?? 0),
    ImagesSkipped: count(done.skipped),
    ImagesFailed: count(done.failed),
    BytesTransferred: [MetricUnit.Bytes, done.bytesTransferred],
    BytesSkipped: [MetricUnit.Bytes, done.bytesSkipped],
    BlobsMounted: count(sum('mounts')),
    Retries: count(sum('retries')),
    Throttles: count(sum('throttles')),
    RunDuration: [MetricUnit.Milliseconds, done.durationMs],
    DriftFound: count(error?.name === 'DriftFound' ? Math.max(1, differing) : 0),
    // What a schedule is for: neither a plan nor a run that found the lock taken keeps the copies current.
    SyncsSucceeded: count(Number(action === 'sync' && status === 'SUCCEEDED')),
    RunsSucceeded: count(Number(status === 'SUCCEEDED')),
    RunsFailed: count(Number(status === 'FAILED')),
    RunsSkipped: count(Number(status === 'SKIPPED')),
  };
}

/**
 * Writes the metrics of a run as a line of the log, from which CloudWatch takes them (its embedded metric format).
 * Namespace, and dimension `service`, are those of POWERTOOLS_METRICS_NAMESPACE and POWERTOOLS_SERVICE_NAME.
 */
export function writeMetrics(report: Report): void {
  const metrics = new Metrics();
  for (const [name, [unit, value]] of Object.entries(measurementsOf(report))) metrics.addMetric(name, unit, value);
  metrics.addMetadata('runId', report.runId);
  metrics.publishStoredMetrics();
}
