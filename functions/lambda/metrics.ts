import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Delivery, Report } from '../state/documents.ts';

type Measurement = readonly [unit: (typeof MetricUnit)[keyof typeof MetricUnit], value: number];

/** Returns the metrics of a run by name. `failed` has the deliveries of its report that failed. */
export function measurementsOf(report: Report, failed: readonly Delivery[] = []): Record<string, Measurement> {
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
    NotificationsFailed: count(failed.filter((delivery) => delivery !== 'callback').length),
    CallbacksFailed: count(failed.filter((delivery) => delivery === 'callback').length),
    // What a schedule is for: neither a plan nor a run that found the lock taken keeps the copies current.
    SyncsSucceeded: count(Number(action === 'sync' && status === 'SUCCEEDED')),
    RunsSucceeded: count(Number(status === 'SUCCEEDED')),
    RunsFailed: count(Number(status === 'FAILED')),
    RunsSkipped: count(Number(status === 'SKIPPED')),
  };
}

export function writeMetrics(report: Report, failed: readonly Delivery[]): void {
  write(measurementsOf(report, failed), { runId: report.runId });
}

/** Writes the time since the last sync that succeeded, in hours. */
export function writeSyncAge(hours: number): void {
  write({ HoursSinceSync: [MetricUnit.Count, hours] });
}

/**
 * Writes metrics as a line of the log, from which CloudWatch takes them (its embedded metric format). Namespace, and
 * dimension `service`, are those of POWERTOOLS_METRICS_NAMESPACE and POWERTOOLS_SERVICE_NAME.
 */
function write(measurements: Record<string, Measurement>, metadata: Record<string, string> = {}): void {
  const metrics = new Metrics();
  for (const [name, [unit, value]] of Object.entries(measurements)) metrics.addMetric(name, unit, value);
  for (const [name, value] of Object.entries(metadata)) metrics.addMetadata(name, value);
  metrics.publishStoredMetrics();
}
