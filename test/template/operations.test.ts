import { describe, expect, it } from '@jest/globals';
import { Duration } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { factoryMetrics } from '../../infra/operations/metrics.ts';
import { embed, synthesize } from './synthesize.ts';

const { template, functions, factory, logicalId } = synthesize();
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

  it('are the business of the report alone', () => {
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
      'none succeeded in 36 hours',
      {
        MetricName: 'ExecutionsSucceeded',
        Period: 3600,
        EvaluationPeriods: 36,
        Threshold: 1,
        ComparisonOperator: 'LessThanThreshold',
        TreatMissingData: 'breaching',
      },
    ],
  ])('tell when %s', (_, properties) => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', properties);
  });

  it('tell the topic when they come and when they go', () => {
    template.resourceCountIs('AWS::CloudWatch::Alarm', 4);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [topic], OKActions: [topic] });
  });

  it.each([
    ['a schedule of every day', { schedule: 'cron(30  4 ? * * *)' }, [36]],
    ['a schedule of one day a week', { schedule: '0 2 ? * MON *' }, []],
    ['no schedule', { schedule: 'off' }, []],
    ['a time of their own', { schedule: '0 2 ? * MON *', overdueAfter: Duration.days(7) }, [168]],
  ])('know with %s when a run is overdue', (_, props, hours) => {
    const alarms = embed(() => props).template.findResources('AWS::CloudWatch::Alarm', {
      Properties: { MetricName: 'ExecutionsSucceeded' },
    });
    expect(
      Object.values(alarms).map(({ Properties }) => (Properties as { EvaluationPeriods: number }).EvaluationPeriods),
    ).toEqual(hours);
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

  it('are in a folder, and look into the logs of every function', () => {
    expect(found.map(({ Name }) => Name.replace(/^.*\//, '')).toSorted()).toEqual([
      'errors of a run',
      'slowest copies',
      'story of a run',
      'throttles',
    ]);
    const logs = [...functions.values()].map(({ LoggingConfig }) => LoggingConfig.LogGroup);
    for (const { LogGroupNames } of found) expect(LogGroupNames).toEqual(logs);
  });

  it('ask for what they need to know', () => {
    for (const { QueryString, Parameters = [] } of found)
      expect([...QueryString.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name)).toEqual(
        Parameters.map(({ Name }) => Name),
      );
  });
});

it('every function is traced', () => {
  for (const { TracingConfig } of functions.values()) expect(TracingConfig).toEqual({ Mode: 'Active' });
});
