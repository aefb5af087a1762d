import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { measurementsOf, writeMetrics, writeSyncAge } from '../../functions/lambda/metrics.ts';
import { factoryMetrics, metricsNamespace } from '../../infra/operations/metrics.ts';
import { logLines } from './log-lines.ts';

const registry = { requests: {}, retries: 1, throttles: 2, pauses: 3, mounts: 4 };
const totals = {
  images: 6,
  copied: 1,
  repaired: 7,
  skipped: 2,
  failed: 3,
  bytesTransferred: 40,
  bytesSkipped: 50,
  durationMs: 60,
};
const field = { module: 'ci' as const, infrastructureType: 'K8' as const, field: 'addonTag', from: 'a', to: 'b' };
const report: Report = {
  status: 'SUCCEEDED',
  action: 'sync',
  runId: 'run-1',
  images: [],
  config: [],
  totals,
  registries: [
    { host: 'a.example', ...registry },
    { host: 'b.example', ...registry },
  ],
};

const bothFailed = { NotificationsFailed: 2, CallbacksFailed: 1 };
const values = (change: Partial<Report>) =>
  Object.fromEntries(
    Object.entries(measurementsOf({ ...report, ...change })).map(([name, [, value]]) => [name, value]),
  );

describe('the metrics of a run', () => {
  it('takes the metrics of a run from its report', () => {
    expect(values({})).toEqual({
      ImagesCopied: 1,
      ImagesRepaired: 7,
      ImagesSkipped: 2,
      ImagesFailed: 3,
      BytesTransferred: 40,
      BytesSkipped: 50,
      BlobsMounted: 8,
      Retries: 2,
      Throttles: 4,
      RunDuration: 60,
      DriftFound: 0,
      NotificationsFailed: 0,
      CallbacksFailed: 0,
      SyncsSucceeded: 1,
      RunsSucceeded: 1,
      RunsFailed: 0,
      RunsSkipped: 0,
    });
  });

  it('count how runs ended', () => {
    expect(values({ status: 'FAILED' })).toMatchObject({ RunsSucceeded: 0, RunsFailed: 1, RunsSkipped: 0 });
    expect(values({ status: 'SKIPPED' })).toMatchObject({ RunsSucceeded: 0, RunsFailed: 0, RunsSkipped: 1 });
  });

  it('count as a sync that succeeded neither another action, nor what was skipped or failed', () => {
    for (const action of ['plan', 'verify', 'reset', 'restore'] as const)
      expect(values({ action })).toMatchObject({ RunsSucceeded: 1, SyncsSucceeded: 0 });
    for (const status of ['SKIPPED', 'FAILED'] as const)
      expect(values({ status })).toMatchObject({ SyncsSucceeded: 0 });
  });

  it('does not count the copies of a plan as copied', () => {
    expect(values({ action: 'plan' })).toMatchObject({ BytesTransferred: 0, BytesSkipped: 0 });
  });

  it('count the fields that a verification found to differ', () => {
    const error = { name: 'DriftFound', message: '', hint: '' };
    const config = [1, 2].map(() => ({ ...field, status: 'planned' as const }));
    expect(values({ action: 'verify', error, config })).toMatchObject({ DriftFound: 2 });
    // An image that is missing is drift, too.
    expect(values({ action: 'verify', error })).toMatchObject({ DriftFound: 1 });
    expect(values({ action: 'plan', config })).toMatchObject({ DriftFound: 0 });
  });

  it('writes the metrics that the dashboard shows', () => {
    expect(Object.keys(measurementsOf(report))).toEqual(expect.arrayContaining(Object.keys(factoryMetrics)));
  });
});

describe('the line that CloudWatch takes them from', () => {
  beforeEach(() => {
    process.env['POWERTOOLS_METRICS_NAMESPACE'] = metricsNamespace;
    process.env['POWERTOOLS_SERVICE_NAME'] = 'factory-1';
  });
  afterEach(() => {
    delete process.env['POWERTOOLS_METRICS_NAMESPACE'];
    delete process.env['POWERTOOLS_SERVICE_NAME'];
  });

  it('writes one log line with all metrics, the dimension service and the run', async () => {
    const [line, ...more] = await logLines(() => writeMetrics(report, ['callback', 'event', 'notification']));
    expect(more).toEqual([]);
    expect(line).toMatchObject({ service: 'factory-1', runId: 'run-1', ...values({}), ...bothFailed });
    expect(line?.['_aws']).toMatchObject({
      CloudWatchMetrics: [
        {
          Namespace: metricsNamespace,
          Dimensions: [['service']],
          Metrics: Object.entries(measurementsOf(report)).map(([Name, [Unit]]) => ({ Name, Unit })),
        },
      ],
    });
  });

  it('writes the age of the last sync with the dimension service alone', async () => {
    const [line] = await logLines(() => writeSyncAge(30.5));
    expect(line).toMatchObject({ service: 'factory-1', HoursSinceSync: 30.5 });
    expect(line?.['_aws']).toMatchObject({ CloudWatchMetrics: [{ Dimensions: [['service']] }] });
  });
});
