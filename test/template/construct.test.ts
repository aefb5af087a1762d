import { describe, expect, it } from '@jest/globals';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib/core';
import { Match } from 'aws-cdk-lib/assertions';
import { type IVpc, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { type IRole, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Code, LayerVersion } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { DefinitionBody, Pass, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import { HarnessCiImageFactory, type HarnessCiImageFactoryProps } from '../../infra/harness-ci-image-factory.ts';
import { everything } from './everything.ts';
import { embed, fill, newApp, text } from './synthesize.ts';

describe('the construct', () => {
  it('can be had twice in one stack', () => {
    const { template } = fill((stack) => {
      new HarnessCiImageFactory(stack, 'Nightly', { modifyDefault: true });
      new HarnessCiImageFactory(stack, 'Staging', { modifyDefault: false, registryName: 'staging.example' });
    });
    template.resourceCountIs('AWS::StepFunctions::StateMachine', 2);
  });

  const problemsOf = (props: (stack: Stack) => HarnessCiImageFactoryProps): string[] => {
    try {
      embed(props);
    } catch (error) {
      return (error as Error).message.split('\n');
    }
    return [];
  };

  it('lists every problem of its props at once, by their names', () => {
    const [first, ...problems] = problemsOf((stack) => ({
      registryName: `${stack.account}.dkr.ecr.eu-west-1.amazonaws.com`,
      maxConcurrency: 41,
      projectId: 'project1',
      schedule: 'daily',
      vpcSubnets: {},
      createVpcEndpoints: true,
      registryCerts: '/etc/docker/certs.d',
      proxy: { url: 'proxy.example' },
      overdueAfter: Duration.minutes(90),
    }));
    expect(first).toBe('the props of Host/Factory have 10 problems');
    expect(problems.map((line) => line.trim().replace(/:.*/, '')).toSorted()).toEqual([
      'createVpcEndpoints',
      'layers',
      'maxConcurrency',
      'orgId',
      'overdueAfter',
      'proxy.url',
      'registryCerts',
      'registryName',
      'schedule',
      'vpcSubnets',
    ]);
  });

  it('reports no ECR problems for a registry with an invalid name', () => {
    const [, ...problems] = problemsOf(() => ({ registryName: 'http://registry.example', ecrKeepVersions: 40 }));
    expect(problems).toEqual([expect.stringContaining('  registryName: ')]);
  });

  it('lists each setting of ECR that has no effect where images are stored', () => {
    const [, ...problems] = problemsOf((stack) => {
      const { ecrRoleArn, ecrTagMutability, ecrTagMutabilityExclude, ecrKmsKey, ecrKeepVersions, ecrTags } =
        everything(stack);
      const ecr = { ecrRoleArn, ecrTagMutability, ecrTagMutabilityExclude, ecrKmsKey, ecrKeepVersions, ecrTags };
      return { ...ecr, registryName: 'registry.example' };
    });
    expect(problems.map((line) => line.trim().replace(/:.*/, '')).toSorted()).toEqual([
      'ecrKeepVersions',
      'ecrKmsKey',
      'ecrRoleArn',
      'ecrTagMutability',
      'ecrTags',
    ]);
  });

  it.each<[string, (stack: Stack) => HarnessCiImageFactoryProps]>([
    ['securityGroups', (stack) => ({ vpc: new Vpc(stack, 'Vpc') as IVpc, securityGroups: [] })],
    [
      'securityGroups',
      (stack) => ({ securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-1234567890abcdef0')] }),
    ],
    ['overdueAfter', () => ({ overdueAfter: Duration.minutes(90) })],
    ['extraCaCerts', () => ({ extraCaCerts: 'ca.pem', layers: everything(new Stack(newApp())).layers })],
    ['scheduleTimeZone', () => ({ scheduleTimeZone: '+02:00' })],
    ['scheduleInput', () => ({ scheduleInput: { soak_days: 300 } })],
    ['ecrKeepVersions', () => ({ ecrKeepVersions: 4 })],
    ['notificationEmails', () => ({ notificationEmails: ['platform'] })],
    ['notificationEmails', (stack) => ({ notificationEmails: [`${stack.account}@example.com`] })],
    ['ecrTags', () => ({ ecrTags: { 'a=b': 'c' } })],
    ['ecrTags', () => ({ ecrTags: { a: 'b,c=d' } })],
    ['ecrRoleArn', () => ({ ecrRoleArn: 'images' })],
    [
      'ecrRoleArn',
      (stack) => ({
        ecrRoleArn: everything(stack).ecrRoleArn,
        registryName: everything(new Stack(newApp())).registryName,
      }),
    ],
    ['buildPushTemplate', (stack) => ({ buildPushTemplate: builder(stack, StateMachineType.EXPRESS) })],
  ])('refuses a wrong %s', (prop, props) => {
    expect(problemsOf(props)).toEqual([expect.any(String), expect.stringContaining(`  ${prop}: `)]);
  });

  const builder = (stack: Stack, stateMachineType: StateMachineType) =>
    new StateMachine(stack, 'Builder', {
      stateMachineType,
      definitionBody: DefinitionBody.fromChainable(new Pass(stack, 'Build')),
    });

  it('takes secrets, hosts and templates that are known at deployment only', () => {
    expect(
      problemsOf((stack) => ({
        harnessUrl: `https://${stack.account}.example`,
        sourceRegistry: [`${stack.account}.example`],
        ecrRoleArn: 'arn:aws:iam::123456789012:role/images',
        buildPushTemplate: builder(stack, StateMachineType.STANDARD),
      })),
    ).toEqual([]);
  });

  it('uses a bucket and a topic that it is given, and makes none', () => {
    const made = embed((stack) => ({
      bucket: Bucket.fromBucketName(stack, 'Bucket', 'given'),
      topic: Topic.fromTopicArn(stack, 'Topic', 'arn:aws:sns:eu-west-1:123456789012:given'),
    }));
    for (const type of ['AWS::S3::Bucket', 'AWS::SNS::Topic', 'AWS::KMS::Key']) made.template.resourceCountIs(type, 0);
    expect(made.functions.get('report')?.Environment.Variables).toMatchObject({
      STATE_BUCKET: 'given',
      NOTIFICATION_TOPIC_ARN: 'arn:aws:sns:eu-west-1:123456789012:given',
    });
    expect(made.permissions('report')).toContain('sns:Publish arn:aws:sns:eu-west-1:123456789012:given');
    expect(made.permissions('gate')).toContain('s3:PutObject arn:<AWS::Partition>:s3:::given/runs/*');
  });

  it('encrypts all that it stores with the key that it is given', () => {
    const { template, functions, permissions } = embed((stack) => ({
      encryptionKey: new Key(stack, 'Key'),
      webhook: {},
    }));
    const [key] = Object.keys(template.findResources('AWS::KMS::Key'));
    const arn = { 'Fn::GetAtt': [key, 'Arn'] };
    template.resourceCountIs('AWS::KMS::Key', 1);
    template.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { KMSMasterKeyID: arn, SSEAlgorithm: 'aws:kms' } },
        ],
      },
    });
    template.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: arn });
    template.hasResourceProperties('AWS::SecretsManager::Secret', { KmsKeyId: arn });
    template.hasResourceProperties('AWS::StepFunctions::StateMachine', {
      EncryptionConfiguration: { KmsKeyId: arn, Type: 'CUSTOMER_MANAGED_KMS_KEY' },
    });
    template.allResourcesProperties('AWS::Logs::LogGroup', { KmsKeyId: arn });
    template.allResourcesProperties('AWS::Lambda::Function', { KmsKeyArn: arn });
    for (const task of functions.keys()) {
      expect(permissions(task)).toContain(`kms:Decrypt <${key}.Arn>`);
      expect(permissions(task)).toContain(`kms:GenerateDataKey <${key}.Arn>`);
    }
    const logGroups = 'arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:*';
    template.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Principal: {
              Service: { 'Fn::Join': ['', ['logs.', { Ref: 'AWS::Region' }, '.', { Ref: 'AWS::URLSuffix' }]] },
            },
            Condition: { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': Match.anyValue() } },
          }),
          Match.objectLike({
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
          }),
          Match.objectLike({ Principal: { Service: 'delivery.logs.amazonaws.com' }, Action: 'kms:Decrypt*' }),
        ]),
      },
    });
    const [policy] = Object.values(template.findResources('AWS::KMS::Key'));
    const conditions = JSON.stringify(policy, (_, value: unknown) =>
      typeof value === 'object' && value !== null && 'Fn::Join' in value ? text(value) : value,
    );
    expect(conditions).toContain(logGroups);
  });

  it('lets the workflow use that key for its executions, and the webhook read them', () => {
    const { template, factory, statements, logicalId } = embed((stack) => ({
      encryptionKey: new Key(stack, 'Key'),
      webhook: {},
    }));
    const machine = logicalId(factory.stateMachine);
    const { Properties: properties = {} } = template.findResources('AWS::StepFunctions::StateMachine')[machine] ?? {};
    const ofKey = (role: IRole) =>
      statements(logicalId(role as Role))
        .filter(({ Action }) => [Action].flat().some((action) => action.startsWith('kms:')))
        .map(({ Action, Condition }) => {
          const [condition = {}] = Object.values((Condition ?? {}) as Record<string, Record<string, unknown>>);
          return [Action, Object.fromEntries(Object.entries(condition).map(([name, value]) => [name, text(value)]))];
        });
    const context = 'kms:EncryptionContext:aws:states:stateMachineArn';
    const { StateMachineName: name } = properties as { StateMachineName: string };
    expect(name).toMatch(/^HostFactory\w+$/);
    const arn = `arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:${name}`;
    expect(ofKey(factory.stateMachine.role)).toContainEqual([
      ['kms:Decrypt', 'kms:GenerateDataKey'],
      { [context]: arn },
    ]);
    expect(ofKey(factory.webhook?.function.role as IRole)).toContainEqual([
      'kms:Decrypt',
      { 'kms:ViaService': 'states.<AWS::Region>.<AWS::URLSuffix>', [context]: `<${machine}>` },
    ]);
  });

  it('lets the report use the key of a topic that is imported with it', () => {
    const keyArn = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    const { permissions } = embed((stack) => ({
      topic: Topic.fromTopicAttributes(stack, 'Topic', {
        topicArn: 'arn:aws:sns:eu-west-1:123456789012:given',
        keyArn,
      }),
    }));
    expect(permissions('report').filter((permission) => permission.startsWith('kms:'))).toEqual([
      `kms:Decrypt ${keyArn}`,
      `kms:GenerateDataKey ${keyArn}`,
    ]);
  });

  it('deploys a new version of every function when a layer changes, also in an app without feature flags', () => {
    const versions = (content: string) => {
      const put = (stack: Stack) => {
        const bucket = Bucket.fromBucketName(stack, 'Bucket', 'layers');
        const layer = new LayerVersion(stack, 'Certificates', { code: Code.fromBucket(bucket, content) });
        return new HarnessCiImageFactory(stack, 'Factory', { layers: [layer] });
      };
      return Object.keys(fill(put, { flags: {} }).template.findResources('AWS::Lambda::Version'));
    };
    const [first, second] = [versions('old.zip'), versions('new.zip')];
    expect(first).toEqual(versions('old.zip'));
    expect(first.filter((id) => second.includes(id))).toEqual([]);
  });

  it('sets the permissions boundary of every role', () => {
    const { template } = embed(everything);
    template.allResourcesProperties('AWS::IAM::Role', { PermissionsBoundary: Match.anyValue() });
  });

  it('keeps the bucket when the stack is removed, unless configured otherwise', () => {
    embed().template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Retain' });
    const { template } = embed(() => ({ removalPolicy: RemovalPolicy.DESTROY }));
    template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Delete' });
  });

  it('lets somebody start its workflow, and nothing else: not even use the key that encrypts the execution', () => {
    const { template } = fill((stack) => {
      const factory = new HarnessCiImageFactory(stack, 'Factory', { encryptionKey: new Key(stack, 'Key') });
      const role = new Role(stack, 'Starter', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
      factory.grantStartExecution(role);
    });
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyName: Match.stringLikeRegexp('^Starter'),
      PolicyDocument: {
        Statement: [
          { Action: 'states:StartExecution', Effect: 'Allow', Resource: { Ref: Match.stringLikeRegexp('Workflow') } },
        ],
      },
    });
  });

  it('offers the metrics that its functions write, under the name that it gives them', () => {
    const { factory, functions } = embed();
    const service = functions.get('report')?.Environment.Variables['POWERTOOLS_SERVICE_NAME'];
    expect(functions.get('report')?.Environment.Variables['POWERTOOLS_METRICS_NAMESPACE']).toBe(
      'HarnessCiImageFactory',
    );
    const metrics = [
      factory.metricImagesCopied(),
      factory.metricImagesFailed(),
      factory.metricBytesTransferred(),
      factory.metricRunDuration(),
      factory.metricThrottles(),
      factory.metricDriftFound(),
      factory.metric('Retries', { period: Duration.days(1) }),
    ].map((metric) => metric.toMetricConfig().metricStat);
    expect(metrics.map((stat) => `${stat?.namespace} ${stat?.metricName} ${stat?.statistic}`)).toEqual([
      'HarnessCiImageFactory ImagesCopied Sum',
      'HarnessCiImageFactory ImagesFailed Sum',
      'HarnessCiImageFactory BytesTransferred Sum',
      'HarnessCiImageFactory RunDuration Maximum',
      'HarnessCiImageFactory Throttles Sum',
      'HarnessCiImageFactory DriftFound Sum',
      'HarnessCiImageFactory Retries Sum',
    ]);
    expect(metrics.at(-1)?.period.toDays()).toBe(1);
    for (const stat of metrics) expect(stat?.dimensions).toEqual([{ name: 'service', value: service }]);
    expect(factory.metricRunsFailed().toMetricConfig().metricStat?.metricName).toBe('ExecutionsFailed');
    expect(factory.metricRunsSucceeded().toMetricConfig().metricStat?.metricName).toBe('ExecutionsSucceeded');
  });
});
