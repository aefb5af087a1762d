import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { Template } from 'aws-cdk-lib/assertions';
import { announcements } from '../../functions/lambda/announcements.ts';
import { writeSyncAge } from '../../functions/lambda/metrics.ts';
import type { Report } from '../../functions/state/documents.ts';
import { logLines } from '../telemetry/log-lines.ts';
import { everything } from './everything.ts';
import { embed } from './synthesize.ts';
import { noTotals } from '../tasks/no-totals.ts';

interface MetricOfAlarm {
  Namespace: string;
  MetricName: string;
  Dimensions: { Name: string; Value: unknown }[];
}

interface AlarmProperties extends Partial<MetricOfAlarm> {
  AlarmDescription: string;
  ComparisonOperator: string;
  TreatMissingData?: string;
  Metrics?: { MetricStat?: { Metric: MetricOfAlarm } }[];
}

/**
 * The metrics that AWS writes, by namespace: the dimension, the type of the resource that it names, and the names.
 *
 * - https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
 * - https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html and urls-monitoring.html
 * - https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
 */
const awsMetrics: Record<string, readonly [dimension: string, type: string, names: readonly string[]]> = {
  'AWS/States': [
    'StateMachineArn',
    'AWS::StepFunctions::StateMachine',
    ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'],
  ],
  'AWS/Lambda': ['FunctionName', 'AWS::Lambda::Function', ['Errors', 'Invocations', 'Url5xxCount']],
  'AWS/SQS': ['QueueName', 'AWS::SQS::Queue', ['ApproximateNumberOfMessagesVisible']],
};

const full = embed((stack) => everything(stack));
const usual = embed(() => ({}));

function alarmsOf(template: Template): [id: string, properties: AlarmProperties][] {
  return Object.entries(template.findResources('AWS::CloudWatch::Alarm')).map(([id, { Properties }]) => [
    id.replace(/^.*Alarms([A-Z]\w*?)[0-9A-F]{8}$/, '$1'),
    Properties as AlarmProperties,
  ]);
}

function metricsOf({ Namespace, MetricName, Dimensions, Metrics = [] }: AlarmProperties): MetricOfAlarm[] {
  if (Namespace && MetricName && Dimensions) return [{ Namespace, MetricName, Dimensions }];
  return Metrics.flatMap(({ MetricStat }) => MetricStat?.Metric ?? []);
}

/** The metrics that functions write with the environment of the template, as CloudWatch reads them from their lines. */
async function written({ functions, factory, template, logicalId }: typeof full): Promise<MetricOfAlarm[]> {
  const report: Report = {
    status: 'SUCCEEDED',
    action: 'sync',
    runId: 'run-1',
    images: [],
    config: [],
    totals: noTotals,
  };
  const check = factory.overdueCheck?.function.handler;
  const checkVariables = check && environmentOf(template.findResources('AWS::Lambda::Function')[logicalId(check)]);
  return [
    ...(await metricsIn(functions.get('report')?.Environment.Variables, () =>
      announcements(process.env).record?.(report, ['callback', 'event', 'notification']),
    )),
    ...(checkVariables ? await metricsIn(checkVariables, () => writeSyncAge(1)) : []),
  ];
}

function environmentOf(resource: unknown): Record<string, unknown> {
  return (resource as { Properties: { Environment: { Variables: Record<string, unknown> } } }).Properties.Environment
    .Variables;
}

async function metricsIn(variables: Record<string, unknown> = {}, write: () => unknown): Promise<MetricOfAlarm[]> {
  const names = ['POWERTOOLS_METRICS_NAMESPACE', 'POWERTOOLS_SERVICE_NAME'];
  for (const name of names) process.env[name] = String(variables[name]);
  const lines = await logLines(write).finally(() => names.forEach((name) => delete process.env[name]));
  return lines.flatMap((line) => {
    const { CloudWatchMetrics = [] } = (line['_aws'] ?? {}) as {
      CloudWatchMetrics?: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string }[] }[];
    };
    return CloudWatchMetrics.flatMap(({ Namespace, Dimensions: sets, Metrics }) =>
      sets.flatMap((set) =>
        Metrics.map(({ Name: MetricName }) => ({
          Namespace,
          MetricName,
          Dimensions: set.map((Name) => ({ Name, Value: line[Name] })),
        })),
      ),
    );
  });
}

describe('the alarms', () => {
  const alarms = alarmsOf(full.template);

  it('has an alarm for each section of the runbook, and no other', () => {
    const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
    const [, sections = ''] = runbook.split('\n## Alarms\n');
    expect([...sections.matchAll(/^### (\w+)$/gm)].map(([, name = '']) => name).toSorted()).toEqual(
      alarms.map(([id]) => id).toSorted(),
    );
  });

  it.each([
    ['every prop set', full],
    ['defaults', usual],
  ])('watches metrics that functions or AWS write, with %s', async (_, made) => {
    const own = await written(made);
    const resources = made.template.toJSON()['Resources'] as Record<string, { Type: string }>;
    for (const [id, properties] of alarmsOf(made.template)) {
      const metrics = metricsOf(properties);
      expect([id, metrics.length]).not.toEqual([id, 0]);
      for (const { Namespace, MetricName, Dimensions } of metrics) {
        const known = awsMetrics[Namespace];
        if (!known) {
          expect(own).toContainEqual({ Namespace, MetricName, Dimensions });
          continue;
        }
        const [dimension, type, names] = known;
        expect([id, names]).toEqual([id, expect.arrayContaining([MetricName])]);
        expect(
          Dimensions.map(({ Name, Value }) => {
            const { Ref, 'Fn::GetAtt': [resource = Ref] = [] } = Value as { Ref?: string; 'Fn::GetAtt'?: string[] };
            return [Name, resources[resource ?? '']?.Type];
          }),
        ).toEqual([[dimension, type]]);
      }
    }
  });

  it('treats missing data as good, except where something should have happened', () => {
    const meanings = Object.groupBy(alarms, ([, { TreatMissingData = 'none' }]) => TreatMissingData);
    const ids = (found: typeof alarms = []) => found.map(([id]) => id).toSorted();
    expect(ids(meanings['breaching'])).toEqual(['EcrTokenOld']);
    expect(ids(meanings['missing'])).toEqual(['NoSyncSucceeded']);
    expect(meanings['none']).toBeUndefined();
    // The others count what went wrong.
    for (const [id, { ComparisonOperator }] of meanings['notBreaching'] ?? [])
      expect([id, ComparisonOperator]).toEqual([id, 'GreaterThanOrEqualToThreshold']);
    const weekly = alarmsOf(usual.template).find(([id]) => id === 'NoSyncSucceeded');
    expect(weekly?.[1].TreatMissingData).toBe('breaching');
  });
});
