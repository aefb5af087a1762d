import { describe, expect, it } from '@jest/globals';
import { synthesize } from './synthesize.ts';

interface Resource {
  Type: string;
  Properties?: Record<string, unknown>;
}

/** Properties whose change replaces a resource that holds data, or that others know by its name, ARN or address. */
const replacing: Readonly<Record<string, readonly string[]>> = {
  'AWS::KMS::Key': ['KeySpec', 'KeyUsage', 'MultiRegion'],
  'AWS::Lambda::Url': ['TargetFunctionArn', 'Qualifier'],
  'AWS::Logs::LogGroup': ['LogGroupName', 'LogGroupClass'],
  'AWS::S3::Bucket': ['BucketName', 'ObjectLockEnabled'],
  'AWS::SNS::Topic': ['TopicName', 'FifoTopic'],
  'AWS::SQS::Queue': ['QueueName', 'FifoQueue'],
  'AWS::SecretsManager::Secret': ['Name'],
  'AWS::StepFunctions::StateMachine': ['StateMachineName', 'StateMachineType'],
};

const factory = 'HarnessCiImageFactory78748C64';
const webhook = 'FactoryWebhookFunctionCE30D158';

/**
 * The resources of release 0.1.0 with their replacing properties. A change here loses logs, the history of executions,
 * the address or the token of the webhook, subscriptions, or the way to the state of a deployment.
 */
const deployed: Readonly<Record<string, object>> = {
  FactoryCopyLogs0DEF1F58: {},
  FactoryGateLogsFB182AD6: {},
  FactoryNotificationKey61E9782A: {},
  FactoryNotifications042C083F: {},
  FactoryPlanLogs696870F3: {},
  FactoryPruneLogs826B5AEC: {},
  FactoryReportLogsB5698C76: {},
  FactoryResetConfigLogsA5AE815F: {},
  FactoryRollbackLogsB24AE12D: {},
  FactoryScanLogsBB59EA15: {},
  FactoryScheduleDeadLettersE367CCAC: {},
  FactorySnapshotLogsA78CC936: {},
  FactoryState4E08EC85: {},
  FactoryUpdateConfigLogsA1755986: {},
  FactoryVerifyLogs628CB049: {},
  FactoryWebhookFunctionFunctionUrl2AB3F574: { TargetFunctionArn: { 'Fn::GetAtt': [webhook, 'Arn'] } },
  FactoryWebhookLogs26649EE5: {},
  FactoryWebhookToken27223379: {},
  FactoryWorkflowA1D77DC6: { StateMachineName: factory, StateMachineType: 'STANDARD' },
  FactoryWorkflowLogs474BAF0F: { LogGroupName: `/aws/vendedlogs/states/${factory}` },
};

describe('an upgrade from 0.1.0', () => {
  const { template, functions } = synthesize({ WEBHOOK: 'on' });
  const { Resources } = template.toJSON() as { Resources: Record<string, Resource> };

  it('replaces no resource that holds data, or that others know by its name, ARN or address', () => {
    const stateful = Object.entries(Resources).flatMap(([id, { Type, Properties = {} }]) => {
      const names = replacing[Type];
      return id in deployed && names ? [[id, pick(Properties, names)] as const] : [];
    });
    expect(Object.fromEntries(stateful)).toEqual(deployed);
  });

  it('replaces no function of the webhook, whose address belongs to it', () => {
    expect(Resources[webhook]).toMatchObject({ Type: 'AWS::Lambda::Function' });
    expect(Resources[webhook]?.Properties).not.toHaveProperty('FunctionName');
  });

  it('keeps the dimension of the metrics, so that dashboards and alarms show what was before', () => {
    for (const { Environment } of functions.values())
      expect(Environment.Variables).toMatchObject({
        POWERTOOLS_SERVICE_NAME: factory,
        POWERTOOLS_METRICS_NAMESPACE: 'HarnessCiImageFactory',
      });
  });
});

function pick(properties: Record<string, unknown>, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => names.includes(name)));
}
