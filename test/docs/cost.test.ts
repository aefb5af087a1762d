import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Template } from 'aws-cdk-lib/assertions';
import { measurementsOf } from '../../functions/lambda/metrics.ts';
import type { Report } from '../../functions/state/documents.ts';
import { everything } from '../template/everything.ts';
import { embed, synthesize } from '../template/synthesize.ts';
import { noTotals } from '../tasks/no-totals.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/cost.md'), 'utf8');

/** Returns the numbers that the page has in the groups of a pattern. */
function numbers(pattern: RegExp): number[] {
  const [, ...found] = pattern.exec(page) ?? [];
  return found.map(Number);
}

function count({ template }: { template: Template }, type: string): number {
  return Object.keys(template.findResources(type)).length;
}

describe('the page on cost', () => {
  const plain = synthesize();

  it('counts the alarms of the template', () => {
    const withWebhook = synthesize({ WEBHOOK: 'on' });
    const alarms = [plain, withWebhook].map((deployment) => count(deployment, 'AWS::CloudWatch::Alarm'));
    expect(numbers(/^\| (\d+) alarms \(with the webhook, (\d+)\)/m)).toEqual(alarms);
  });

  it('counts the metrics that a run writes', () => {
    const report: Report = {
      runId: 'run-1',
      action: 'sync',
      status: 'SUCCEEDED',
      totals: noTotals,
      images: [],
      config: [],
      warnings: [],
    };
    expect(numbers(/^\| (\d+) metrics, /m)).toEqual([Object.keys(measurementsOf(report)).length]);
  });

  it('counts the interface endpoints of a deployment without templates and without signatures', () => {
    const endpoints = embed((stack) => ({
      ...everything(stack),
      gatherScanTemplate: undefined,
      buildPushTemplate: undefined,
      bundleSigningKey: undefined,
    })).template.findResources('AWS::EC2::VPCEndpoint', { Properties: { VpcEndpointType: 'Interface' } });
    expect(numbers(/: (\d+) interface endpoints in 2 zones: (\d+) × 2 × 730 × 0.01 /)).toEqual(
      Array.from({ length: 2 }, () => Object.keys(endpoints).length),
    );
  });

  it('charges a key, a dashboard, and no secret beside that of the API key', () => {
    expect(count(plain, 'AWS::KMS::Key')).toBe(1);
    expect(count(plain, 'AWS::CloudWatch::Dashboard')).toBe(1);
    expect(count(plain, 'AWS::SecretsManager::Secret')).toBe(0);
  });

  it.each([...plain.functions])('has the memory of %s', (task, { MemorySize }) => {
    expect(numbers(new RegExp(`^\\| ${task} +\\| +\\d+ kB \\| +(\\d+) MiB `, 'm'))).toEqual([MemorySize]);
  });
});
