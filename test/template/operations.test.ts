import { describe, expect, it } from '@jest/globals';
import { Duration } from 'aws-cdk-lib/core';
import { Match } from 'aws-cdk-lib/assertions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LambdaLog } from '../../functions/lambda/log.ts';
import { FactoryError } from '../../functions/errors.ts';
import type { Report } from '../../functions/state/documents.ts';
import { factoryMetrics } from '../../infra/operations/metrics.ts';
import { type Line, logLines } from '../telemetry/log-lines.ts';
import { actions, embed, resourcesOf, synthesize } from './synthesize.ts';

const { template, functions, factory, logicalId } = synthesize({ WEBHOOK: 'on' });
const topic = { Ref: logicalId(factory.topic) };

describe('notifications', () => {
  it('go to a topic that is encrypted by a key of its own, and refuses messages without TLS', () => {
    const [key] = Object.keys(template.findResources('AWS::KMS::Key'));
    template.hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true });
    template.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: { 'Fn::GetAtt': [key, 'Arn'] } });
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 'sns:Publish',
            Principal: '*',
            Resource: topic,
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    });
  });

  it('come from alarms of this account too', () => {
    const condition = { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } };
    const principal = { Service: 'cloudwatch.amazonaws.com' };
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Principal: principal, Action: 'sns:Publish', Resource: topic, Condition: condition }),
        ]),
      },
    });
    template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          {
            Effect: 'Allow',
            Principal: principal,
            Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
            Resource: '*',
            Condition: condition,
          },
        ]),
      },
    });
  });

  const subscriptions = (found: typeof template) =>
    Object.values(found.findResources('AWS::SNS::Subscription')).map(({ Properties }) => Properties as object);

  it('subscribes each address once, and names them in the output', () => {
    const made = synthesize({ NOTIFICATION_EMAIL: 'a@example.com, b+c@example.com,a@example.com' });
    expect(subscriptions(made.template)).toEqual(
      ['a@example.com', 'b+c@example.com'].map((Endpoint) => ({
        Endpoint,
        Protocol: 'email',
        TopicArn: { Ref: made.logicalId(made.factory.topic) },
      })),
    );
    made.template.hasOutput('NotificationEmails', {
      Value: 'a@example.com, b+c@example.com, a@example.com',
      Description: Match.stringLikeRegexp('must confirm'),
    });
  });

  it('subscribes addresses to a topic that is given, and nobody without addresses', () => {
    const arn = 'arn:aws:sns:eu-west-1:123456789012:given';
    const { template: made } = embed((stack) => ({
      topic: Topic.fromTopicArn(stack, 'Topic', arn),
      notificationEmails: ['a@example.com'],
    }));
    expect(subscriptions(made)).toEqual([{ Endpoint: 'a@example.com', Protocol: 'email', TopicArn: arn }]);
    expect(subscriptions(template)).toEqual([]);
    expect(template.findOutputs('NotificationEmails')).toEqual({});
  });

  it('lets only the report task send notifications', () => {
    const told = [...functions].filter(([, { Environment }]) => 'NOTIFICATION_TOPIC_ARN' in Environment.Variables);
    expect(told.map(([task]) => task)).toEqual(['report']);
    expect(functions.get('report')?.Environment.Variables['NOTIFICATION_TOPIC_ARN']).toEqual(topic);
  });
});

describe('alarms', () => {
  const queue = { 'Fn::GetAtt': [Match.stringLikeRegexp('DeadLetters'), 'QueueName'] };

  it.each([
    ['a run failed', { MetricName: 'ExecutionsFailed', Period: 300, Threshold: 1, EvaluationPeriods: 1 }],
    ['a run timed out', { MetricName: 'ExecutionsTimedOut', Period: 300, Threshold: 1, EvaluationPeriods: 1 }],
    [
      'the schedule could not start one',
      {
        MetricName: 'ApproximateNumberOfMessagesVisible',
        Dimensions: [{ Name: 'QueueName', Value: queue }],
        Threshold: 1,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        TreatMissingData: 'notBreaching',
      },
    ],
    [
      'the webhook failed',
      {
        Namespace: 'AWS/Lambda',
        MetricName: 'Url5xxCount',
        Dimensions: [{ Name: 'FunctionName', Value: { Ref: Match.stringLikeRegexp('WebhookFunction') } }],
        Statistic: 'Sum',
        Threshold: 1,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        TreatMissingData: 'notBreaching',
      },
    ],
  ])('tell when %s', (_, properties) => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', properties);
  });

  it('tell when no sync succeeded in 36 hours, by hours of which each has a number', () => {
    const service = functions.get('report')?.Environment.Variables['POWERTOOLS_SERVICE_NAME'];
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      // Without FILL, CloudWatch would look for older runs in the place of hours without one.
      Metrics: [
        Match.objectLike({ Expression: 'FILL(syncs, 0)' }),
        {
          Id: 'syncs',
          MetricStat: {
            Metric: {
              Namespace: 'HarnessCiImageFactory',
              MetricName: 'SyncsSucceeded',
              Dimensions: [{ Name: 'service', Value: service }],
            },
            Period: 3600,
            Stat: 'Sum',
          },
          ReturnData: false,
        },
      ],
      EvaluationPeriods: 36,
      Threshold: 1,
      ComparisonOperator: 'LessThanThreshold',
      TreatMissingData: 'breaching',
    });
  });

  it('raises no alarm for refused requests to the webhook', () => {
    expect(JSON.stringify(template.findResources('AWS::CloudWatch::Alarm'))).not.toMatch(/Url4xxCount|UrlRequestCount/);
  });

  it('tell the topic when they come and when they go', () => {
    template.resourceCountIs('AWS::CloudWatch::Alarm', 10);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topic], OKActions: [topic] });
  });

  it('describe what to do by a section of the runbook', () => {
    const found = Object.entries(template.findResources('AWS::CloudWatch::Alarm'));
    for (const [id, { Properties }] of found) {
      const [, section] =
        /docs\/runbook\.md#([a-z]+)$/.exec((Properties as { AlarmDescription: string }).AlarmDescription) ?? [];
      expect(id.toLowerCase()).toContain(`alarms${section}`);
    }
  });

  it.each([
    ['images failed', {}, 'ImagesFailed'],
    ['a verification found drift', {}, 'DriftFound'],
    ['a notification failed', {}, 'NotificationsFailed'],
    ['a callback failed', { CALLBACK_URL_SECRET: 'callback' }, 'CallbacksFailed'],
  ])('tells when %s, by a metric of each run', (_, settings, MetricName) => {
    const made = synthesize(settings);
    const service = made.functions.get('report')?.Environment.Variables['POWERTOOLS_SERVICE_NAME'];
    made.template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'HarnessCiImageFactory',
      MetricName,
      Dimensions: [{ Name: 'service', Value: service }],
      Statistic: 'Sum',
      Period: 300,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
    });
  });

  it('watches no callback where there is none', () => {
    expect(
      Object.keys(template.findResources('AWS::CloudWatch::Alarm', { Properties: { MetricName: 'CallbacksFailed' } })),
    ).toEqual([]);
  });

  const alarmsOf = (found: typeof template) =>
    Object.values(found.findResources('AWS::CloudWatch::Alarm')).map(
      ({ Properties }) => Properties as { EvaluationPeriods: number; Threshold: number; MetricName?: string },
    );

  it.each([
    ['a schedule of every day', { schedule: 'cron(30  4 ? * * *)' }, [36]],
    ['a schedule of working days', { schedule: '0 2 ? * MON-FRI *' }, [84]],
    ['a schedule at an hour that daylight saving time leaves out', { scheduleTimeZone: 'Europe/Berlin' }, [60]],
    ['no schedule', { schedule: 'off' }, []],
    ['a schedule of verifications', { scheduleInput: { action: 'verify' } }, []],
    ['a schedule of syncs', { scheduleInput: { action: 'SYNC', soak_days: 7 } }, [36]],
    ['a schedule that runs once', { schedule: '0 2 1 1 ? 2030' }, []],
    ['a time of their own', { schedule: 'off', overdueAfter: Duration.days(7) }, [168]],
  ])('know with %s when a run is overdue', (_, props, hours) => {
    const made = embed(() => props);
    const overdue = alarmsOf(made.template).filter((alarm) => JSON.stringify(alarm).includes('SyncsSucceeded'));
    expect(overdue.map(({ EvaluationPeriods }) => EvaluationPeriods)).toEqual(hours);
    expect(made.factory.overdueCheck).toBeUndefined();
    // Nor one of a webhook that is not there.
    expect(JSON.stringify(alarmsOf(made.template))).not.toContain('Url');
  });

  it.each([
    ['a schedule of one day a week', { schedule: '0 2 ? * MON *' }, 180],
    ['a schedule of one day a month', { schedule: '0 2 1 * ? *' }, 31 * 24 + 12],
    ['a time of their own', { schedule: 'off', overdueAfter: Duration.hours(169) }, 169],
  ])('know by an hourly check, with %s, when a run is overdue', (_, props, hours) => {
    const { template: made, factory: checked, logicalId: idOf, statements } = embed(() => props);
    const { handler, role, logGroup } = checked.overdueCheck?.function ?? {};
    made.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'HarnessCiImageFactory',
      MetricName: 'HoursSinceSync',
      Statistic: 'Minimum',
      Period: 10_800,
      EvaluationPeriods: 1,
      Threshold: hours,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      // The check itself failed.
      TreatMissingData: 'missing',
      InsufficientDataActions: [{ Ref: idOf(checked.topic) }],
    });
    made.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 hour)',
      Target: { Arn: { 'Fn::GetAtt': [handler && idOf(handler), 'Arn'] } },
    });
    const bucket = `<${idOf(checked.bucket)}.Arn>`;
    const allowed = statements(role ? idOf(role) : '').flatMap((statement) =>
      actions(statement).flatMap((action) => resourcesOf(statement).map((resource) => `${action} ${resource}`)),
    );
    const log = `<${logGroup && idOf(logGroup)}.Arn>`;
    expect(allowed.toSorted()).toEqual([
      `logs:CreateLogStream ${log}`,
      `logs:PutLogEvents ${log}`,
      `s3:GetObject ${bucket}/last-sync.json`,
      `s3:ListBucket ${bucket}`,
      `s3:PutObject ${bucket}/last-sync.json`,
      'xray:PutTelemetryRecords *',
      'xray:PutTraceSegments *',
    ]);
  });
});

describe('the dashboard', () => {
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  const body = JSON.stringify(dashboard?.Properties);

  it.each(Object.keys(factoryMetrics))('shows %s', (metric) => {
    expect(body).toContain(`\\"HarnessCiImageFactory\\",\\"${metric}\\",\\"service\\"`);
  });

  it.each(['ExecutionsSucceeded', 'ExecutionsFailed', 'Duration', 'Errors', 'Throttles', '@maxMemoryUsed', '"alarm'])(
    'shows %s',
    (shown) => {
      expect(body).toContain(shown);
    },
  );
});

describe('saved queries', () => {
  const found = Object.values(template.findResources('AWS::Logs::QueryDefinition')).map(
    ({ Properties }) =>
      Properties as { Name: string; QueryString: string; LogGroupNames: unknown[]; Parameters?: { Name: string }[] },
  );

  it('saves queries in a folder, over the logs of every function and the webhook', () => {
    expect(found.map(({ Name }) => Name.replace(/^.*\//, '')).toSorted()).toEqual([
      'errors of a run',
      'slowest copies',
      'story of a run',
      'throttles',
    ]);
    const logs = Object.values(template.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => (Properties as { LoggingConfig: { LogGroup: object } }).LoggingConfig.LogGroup,
    );
    expect(logs).toHaveLength(functions.size + 1);
    for (const { LogGroupNames } of found) {
      expect(LogGroupNames).toHaveLength(logs.length);
      expect(LogGroupNames).toEqual(expect.arrayContaining(logs));
    }
  });

  it.each(found.map(({ Name, QueryString }) => [Name.replace(/^.*\//, ''), QueryString] as const))(
    'know the fields of the lines that are logged: %s',
    async (_, query) => {
      const lines = await everyLine();
      const fields = fieldsOf(query);
      expect(fields.length).toBeGreaterThan(2);
      expect(fields.filter((field) => !lines.some((line) => isIn(line, field)))).toEqual([]);
      // What is added up by each other stands in one line.
      if (query.includes('stats')) expect(lines.some((line) => fields.every((field) => isIn(line, field)))).toBe(true);
      for (const [, field = '', value] of query.matchAll(/(\w+) = "(\w+)"/g))
        expect(lines.some((line) => line[field] === value)).toBe(true);
    },
  );

  it('ask for what they need to know', () => {
    for (const { QueryString, Parameters = [] } of found)
      expect([...QueryString.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name)).toEqual(
        Parameters.map(({ Name }) => Name),
      );
  });
});

it('every function is traced', () => {
  template.allResourcesProperties('AWS::Lambda::Function', { TracingConfig: { Mode: 'Active' } });
});

/** A line of every kind that functions/lambda/log.ts writes. */
function everyLine(): Promise<Line[]> {
  process.env['TASK'] = 'copy';
  const log = new LambdaLog();
  const image = 'harness/ci-addon:1';
  const error = new FactoryError('RegistryFailed', 'it failed', { hint: 'Try again.' });
  const report = {
    registries: [{ host: 'docker.io', requests: { GET: 2 }, retries: 1, throttles: 1, pauses: 0, mounts: 0 }],
    warnings: ['a tag moved'],
    error: error.toJSON(),
  } as unknown as Report;
  return logLines(() => {
    log.started({ runId: 'run-1' }, { getRemainingTimeInMillis: () => 1 });
    log.progress({ kind: 'image-progress', image, bytes: 300 });
    log.progress({ kind: 'image-finished', image, status: 'failed', message: 'not found' });
    log.finished({ status: 'copied' });
    log.failed(error);
    log.reported(report);
  }).finally(() => delete process.env['TASK']);
}

/** The fields that a query of Logs Insights reads, other than CloudWatch's own. */
function fieldsOf(query: string): string[] {
  const aliases = [...query.matchAll(/ as (\w+)/g)].map(([, name]) => name);
  const words = 'fields filter stats sort limit asc desc and in as by'.split(' ');
  const names = query.replaceAll(/"[^"]*"|\w+(?=\()|\b\d\w*/g, '').match(/@?[A-Za-z][\w.]*/g) ?? [];
  return [...new Set(names)].filter((name) => ![...aliases, ...words].includes(name) && !name.startsWith('@'));
}

function isIn(line: Line, field: string): boolean {
  const steps = field.split('.');
  return steps.reduce<unknown>((value, step) => (value as Line | undefined)?.[step], line) !== undefined;
}
