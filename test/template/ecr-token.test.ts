import { describe, expect, it } from '@jest/globals';
import { Match } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { actions, embed, resourcesOf, type Statement, synthesize, text } from './synthesize.ts';

const registry = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror';
const repositories = 'arn:<AWS::Partition>:ecr:eu-west-1:123456789012:repository/mirror/*';
const secretArn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-password-a1B2c3';
const apiKey =
  'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:harness-ci-image-factory/api-key-??????';
const pull = ['BatchCheckLayerAvailability', 'BatchGetImage', 'GetDownloadUrlForLayer'];

interface Properties {
  Description?: string;
  Role: { 'Fn::GetAtt': [string, 'Arn'] };
  Environment: { Variables: Record<string, unknown> };
}

type Made = ReturnType<typeof synthesize> | ReturnType<typeof embed>;

function functionOf({ template }: Made) {
  const all = Object.entries(template.findResources('AWS::Lambda::Function')) as [string, { Properties: Properties }][];
  const [id, { Properties: properties }] =
    all.find(
      ([
        ,
        {
          Properties: { Description = '' },
        },
      ]) => Description.endsWith(': ecr-token'),
    ) ?? all[0]!;
  return { id, properties };
}

/** The permissions of the function beside its log and its traces. */
function permissionsOf(made: Made): string[] {
  const { properties } = functionOf(made);
  return made
    .statements(properties.Role['Fn::GetAtt'][0])
    .flatMap((statement: Statement) =>
      actions(statement).flatMap((action) => resourcesOf(statement).map((resource) => `${action} ${resource}`)),
    )
    .filter((permission) => !/^(?:logs|xray):/.test(permission))
    .toSorted();
}

const ofPulls = ['ecr:GetAuthorizationToken *', ...pull.map((name) => `ecr:${name} ${repositories}`)];

describe('without ECR_TOKEN_SECRET', () => {
  const { template, factory } = synthesize({ REGISTRY_NAME: registry });

  it('creates no function, no schedule and no alarm of it, and no permission to write secrets', () => {
    expect(factory.ecrToken).toBeUndefined();
    template.resourceCountIs('AWS::Scheduler::Schedule', 1);
    const all = JSON.stringify(template);
    for (const name of ['ecr-token', 'EcrToken', 'ECR_TOKEN_SECRET', 'PutSecretValue']) expect(all).not.toContain(name);
  });
});

describe('with ECR_TOKEN_SECRET, the identifier of a Harness secret,', () => {
  const made = synthesize({ REGISTRY_NAME: registry, ECR_TOKEN_SECRET: 'account.ecr' });
  const { template } = made;
  const { id, properties } = functionOf(made);

  it('may pull below the prefix and read the API key, and nothing else', () => {
    expect(permissionsOf(made)).toEqual(
      [...ofPulls, `secretsmanager:DescribeSecret ${apiKey}`, `secretsmanager:GetSecretValue ${apiKey}`].toSorted(),
    );
  });

  it('may also pull the copies of Harness images where they were stored before', () => {
    const below = (made: Made) =>
      permissionsOf(made)
        .filter((permission) => permission.startsWith('ecr:BatchGetImage '))
        .map((permission) => permission.split(':repository/')[1]);
    expect(below(synthesize({ ECR_TOKEN_SECRET: 'account.ecr' }))).toEqual(['harness-ci/*', 'harness/*', 'plugins/*']);
    const former = { REGISTRY_NAME: registry, FORMER_REGISTRY: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/old' };
    expect(below(synthesize({ ECR_TOKEN_SECRET: 'account.ecr', ...former }))).toEqual([
      'mirror/*',
      'old/harness/*',
      'old/plugins/*',
    ]);
  });

  it('knows the secret and the registry, and no state', () => {
    expect(properties.Environment.Variables).toMatchObject({
      ECR_TOKEN_SECRET: 'account.ecr',
      REGISTRY_NAME: registry,
    });
    expect(properties.Environment.Variables).not.toHaveProperty('STATE_BUCKET');
  });

  it('refreshes every 6 hours, and retries a refresh that fails', () => {
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(6 hours)',
      State: 'ENABLED',
      Target: {
        Arn: { 'Fn::GetAtt': [id, 'Arn'] },
        Input: '{}',
        RetryPolicy: { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 3 },
      },
    });
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      FunctionName: { Ref: id },
      MaximumRetryAttempts: 2,
      MaximumEventAgeInSeconds: 3600,
    });
  });

  it('raises an alarm when a refresh fails, and when none succeeded for 8 hours', () => {
    const AlarmActions = [{ Ref: made.logicalId(made.factory.topic) }];
    const Dimensions = [{ Name: 'FunctionName', Value: { Ref: id } }];
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'Errors',
      Dimensions,
      Threshold: 1,
      AlarmActions,
    });
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Metrics: Match.arrayWith([Match.objectLike({ Expression: 'FILL(calls, 0) - FILL(errors, 0)' })]),
      EvaluationPeriods: 8,
      ComparisonOperator: 'LessThanThreshold',
      TreatMissingData: 'breaching',
      AlarmActions,
    });
  });

  it('lets the scheduler of this account invoke this function only', () => {
    const invoking = Object.values(template.findResources('AWS::IAM::Policy'))
      .flatMap(
        ({ Properties }) => (Properties as { PolicyDocument: { Statement: Statement[] } }).PolicyDocument.Statement,
      )
      .filter((statement) => actions(statement).includes('lambda:InvokeFunction'))
      .flatMap(resourcesOf)
      .filter((resource) => resource.includes(id));
    expect(invoking).toEqual([`<${id}.Arn>`, `<${id}.Arn>:*`]);
  });

  it('prints the name of the function, for the first refresh', () => {
    const output = template.toJSON().Outputs.EcrTokenFunctionName as { Value: unknown };
    expect(text(output.Value)).toBe(`<${id}>`);
  });
});

describe('with ECR_TOKEN_SECRET, the ARN of a secret,', () => {
  it('may pull below the prefix and replace this secret, and nothing else', () => {
    const made = synthesize({ REGISTRY_NAME: registry, ECR_TOKEN_SECRET: secretArn });
    expect(permissionsOf(made)).toEqual([...ofPulls, `secretsmanager:PutSecretValue ${secretArn}`].toSorted());
    expect(functionOf(made).properties.Environment.Variables['ECR_TOKEN_SECRET']).toBe(secretArn);
  });

  it('assumes the role of the account of the registry, for pulls only', () => {
    const ecrRoleArn = 'arn:aws:iam::999999999999:role/images';
    const made = synthesize({
      REGISTRY_NAME: '999999999999.dkr.ecr.us-west-2.amazonaws.com/mirror',
      ECR_ROLE_ARN: ecrRoleArn,
      ECR_TOKEN_SECRET: secretArn,
    });
    expect(permissionsOf(made)).toEqual([`secretsmanager:PutSecretValue ${secretArn}`, `sts:AssumeRole ${ecrRoleArn}`]);
    const policy = JSON.parse(
      String(functionOf(made).properties.Environment.Variables['ECR_SESSION_POLICY']),
    ) as object;
    expect(policy).toMatchObject({
      Statement: [{ Action: [...pull, 'GetAuthorizationToken'].map((name) => `ecr:${name}`).toSorted() }],
    });
  });

  it('uses the key of a secret of the same app, through Secrets Manager only', () => {
    const made = embed((stack) => {
      const encryptionKey = new Key(stack, 'Key');
      return { registryName: registry, ecrTokenSecret: new Secret(stack, 'Password', { encryptionKey }) as ISecret };
    });
    const key = Object.keys(made.template.findResources('AWS::KMS::Key')).find((name) => name.startsWith('Key'));
    const [secret] = Object.keys(made.template.findResources('AWS::SecretsManager::Secret'));
    expect(permissionsOf(made)).toEqual(
      [
        ...ofPulls,
        `kms:Decrypt <${key}.Arn>`,
        `kms:GenerateDataKey <${key}.Arn>`,
        `secretsmanager:PutSecretValue <${secret}>`,
      ].toSorted(),
    );
    expect(text(functionOf(made).properties.Environment.Variables['ECR_TOKEN_SECRET'])).toBe(`<${secret}>`);
  });

  it('takes a secret that was imported by name, whose six last characters are unknown', () => {
    const made = embed((stack) => ({
      registryName: registry,
      ecrTokenSecret: Secret.fromSecretNameV2(stack, 'Password', 'ecr-password'),
    }));
    const named = 'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:ecr-password';
    expect(permissionsOf(made)).toContain(`secretsmanager:PutSecretValue ${named}-??????`);
    expect(text(functionOf(made).properties.Environment.Variables['ECR_TOKEN_SECRET'])).toBe(named);
  });
});

it.each([
  ['registry.example.com/harness', 'account.ecr'],
  [registry, 'ecr'],
  [registry, 'not an identifier'],
])('refuses, for the registry %s, the ecrTokenSecret %s', (registryName, ecrTokenSecret) => {
  expect(() => embed(() => ({ registryName, ecrTokenSecret }))).toThrow(/ecrTokenSecret|orgId/);
});
