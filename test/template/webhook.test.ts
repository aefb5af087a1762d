import { describe, expect, it } from '@jest/globals';
import { Stack } from 'aws-cdk-lib/core';
import { Match } from 'aws-cdk-lib/assertions';
import { type CfnRole, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { HarnessCiImageFactory, type WebhookOptions } from '../../infra/harness-ci-image-factory.ts';
import { fill, actions, embed, newApp, synthesize, text } from './synthesize.ts';

const tokenSecret = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:tokens-a1B2c3';

function webhookOf(settings: Record<string, string> = {}) {
  const { stack, template, statements } = synthesize({ WEBHOOK: 'on', ...settings });
  const entry = Object.entries(template.findResources('AWS::Lambda::Function')).find(
    ([, { Properties }]) =>
      (Properties as { Description?: string }).Description === 'Harness CI Image Factory: webhook',
  );
  const [id = '', { Properties: properties } = { Properties: {} }] = entry ?? [];
  return { stack, template, id, properties, statements: statements(properties.Role?.['Fn::GetAtt'][0]) };
}

describe('the webhook', () => {
  it('creates no webhook by default', () => {
    const { template } = synthesize({ WEBHOOK: 'off', WEBHOOK_TOKEN_SECRET: 'tokens' });
    template.resourceCountIs('AWS::Lambda::Url', 0);
    expect(JSON.stringify(template)).not.toContain('WEBHOOK');
    expect(template.findOutputs('Webhook*')).toEqual({});
  });

  const made = webhookOf({ MAX_CONCURRENCY: '7' });
  const machine = Object.keys(made.template.findResources('AWS::StepFunctions::StateMachine'))[0];
  const secretId = Object.keys(made.template.findResources('AWS::SecretsManager::Secret'))[0];

  it('creates a function URL whose function checks the token', () => {
    made.template.hasResourceProperties('AWS::Lambda::Url', {
      AuthType: 'NONE',
      TargetFunctionArn: { 'Fn::GetAtt': [made.id, 'Arn'] },
    });
    const [url] = Object.keys(made.template.findResources('AWS::Lambda::Url'));
    const output = made.template.toJSON().Outputs.WebhookUrl as { Value: unknown };
    expect(text(output.Value)).toBe(`<${url}.FunctionUrl>runs`);
  });

  it('takes no key beyond what the deployment trusts, unless the deployment lists it', () => {
    const environmentOf = ({ properties }: ReturnType<typeof webhookOf>) =>
      (properties as { Environment?: { Variables: Record<string, unknown> } }).Environment?.Variables;
    expect(environmentOf(made)).not.toHaveProperty('WEBHOOK_ALLOW');
    expect(environmentOf(webhookOf({ WEBHOOK_ALLOW: 'pins,  platforms' }))).toMatchObject({
      WEBHOOK_ALLOW: 'pins,platforms',
    });
    const stack = new Stack(newApp());
    expect(() => new HarnessCiImageFactory(stack, 'F', { webhook: { allow: ['everything'] } })).toThrow(
      'webhook.allow',
    );
  });

  it('allows public invocation through the function URL only', () => {
    const permissions = Object.values(made.template.findResources('AWS::Lambda::Permission'));
    const common = { FunctionName: { 'Fn::GetAtt': [made.id, 'Arn'] }, Principal: '*' };
    expect(permissions.map(({ Properties }) => Properties as object)).toEqual([
      { ...common, Action: 'lambda:InvokeFunctionUrl', FunctionUrlAuthType: 'NONE' },
      { ...common, Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true },
    ]);
  });

  it('reserves no concurrency by default, which a new account does not have', () => {
    expect(made.properties).toMatchObject({ Timeout: 20, MemorySize: 512 });
    expect(made.properties).not.toHaveProperty('ReservedConcurrentExecutions');
  });

  const executions = `arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<${machine}.Name>:*`;
  const [bucket] = Object.keys(made.template.findResources('AWS::S3::Bucket'));
  const granted = ({ properties, statements }: ReturnType<typeof webhookOf>) => {
    const log = (properties.LoggingConfig as { LogGroup: { Ref: string } }).LogGroup.Ref;
    return statements
      .filter((statement) => !actions(statement).some((action) => action.startsWith('xray:')))
      .map((statement) => [
        actions(statement),
        [statement.Resource].flat().map((resource) => text(resource).replace(`<${log}.Arn>`, '<log>')),
      ]);
  };
  const common = [
    [['logs:CreateLogStream', 'logs:PutLogEvents'], ['<log>']],
    [['states:StartExecution'], [`<${machine}>`]],
    [['states:DescribeExecution'], [executions]],
    [['s3:ListBucket'], [`<${bucket}.Arn>`]],
    [['s3:GetObject'], [`<${bucket}.Arn>/runs/*/report.json`]],
  ];

  it('may start this workflow, look at its runs, and read reports and its tokens, nothing else', () => {
    expect(granted(made)).toEqual([
      ...common,
      [['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'], [`<${secretId}>`]],
    ]);
  });

  it('may stop the runs of this workflow only where WEBHOOK_ALLOW grants it', () => {
    const describe = ['states:DescribeExecution'];
    const ofExecutions = (settings: Record<string, string>) =>
      granted(webhookOf(settings)).filter(([, resources]) => resources?.includes(executions));
    expect(ofExecutions({ WEBHOOK_ALLOW: 'stop' })).toEqual([
      [[...describe, 'states:GetExecutionHistory', 'states:StopExecution'], [executions]],
    ]);
    expect(ofExecutions({ WEBHOOK_ALLOW: 'pins' })).toEqual([[describe, [executions]]]);
  });

  it('may encrypt the reason of a stop with the key of the executions', () => {
    const made = (allow: string[]) => {
      const { factory, statements, logicalId } = embed((stack) => ({
        encryptionKey: new Key(stack, 'Key'),
        webhook: { auth: 'iam', allow },
      }));
      const ofRole = statements(logicalId(factory.webhook?.function.role as Role));
      return ofRole.filter(({ Condition }) => JSON.stringify(Condition ?? '').includes('stateMachineArn'));
    };
    expect(made(['stop']).map(actions)).toEqual([['kms:Decrypt', 'kms:GenerateDataKey']]);
    expect(made([]).map(actions)).toEqual([['kms:Decrypt']]);
  });

  describe('with WEBHOOK=iam', () => {
    const role = 'arn:aws:iam::210987654321:role/delegate';
    const signed = webhookOf({ WEBHOOK: 'iam', WEBHOOK_PRINCIPALS: `${role},210987654322` });

    it('lets Lambda verify the signature of each request', () => {
      signed.template.hasResourceProperties('AWS::Lambda::Url', { AuthType: 'AWS_IAM' });
    });

    it('has no token, and no secret for one', () => {
      signed.template.resourceCountIs('AWS::SecretsManager::Secret', 0);
      expect(signed.properties.Environment.Variables).not.toHaveProperty('WEBHOOK_TOKEN_SECRET');
      expect(signed.template.findOutputs('WebhookTokenSecretName')).toEqual({});
      expect(granted(signed)).toEqual(common);
    });

    it('admits each principal by name, through the function URL only, and nobody else', () => {
      const permissions = Object.values(signed.template.findResources('AWS::Lambda::Permission'));
      const FunctionName = { 'Fn::GetAtt': [signed.id, 'Arn'] };
      const found = permissions.map(({ Properties }) => Properties as Record<string, unknown>);
      expect(found).toHaveLength(4);
      for (const Principal of [role, '210987654322'])
        expect(found.filter((each) => JSON.stringify(each['Principal']).includes(Principal))).toEqual([
          {
            FunctionName,
            Principal: expect.anything(),
            Action: 'lambda:InvokeFunctionUrl',
            FunctionUrlAuthType: 'AWS_IAM',
          },
          { FunctionName, Principal: expect.anything(), Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true },
        ]);
    });

    it("leaves it to the policies of this account's identities by default", () => {
      webhookOf({ WEBHOOK: 'iam' }).template.resourceCountIs('AWS::Lambda::Permission', 0);
    });

    it('can be granted to a role of the app', () => {
      const {
        stack,
        made: delegate,
        template,
      } = fill((host) => {
        const { webhook } = new HarnessCiImageFactory(host, 'Factory', { webhook: { auth: 'iam' } });
        const role = new Role(host, 'Delegate', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
        webhook?.grantInvoke(role);
        return role;
      });
      template.hasResourceProperties('AWS::IAM::Policy', {
        Roles: [{ Ref: stack.getLogicalId(delegate.node.defaultChild as CfnRole) }],
        PolicyDocument: {
          Statement: [
            Match.objectLike({
              Action: 'lambda:InvokeFunctionUrl',
              Condition: { StringEquals: { 'lambda:FunctionUrlAuthType': 'AWS_IAM' } },
            }),
            Match.objectLike({
              Action: 'lambda:InvokeFunction',
              Condition: { Bool: { 'lambda:InvokedViaFunctionUrl': true } },
            }),
          ],
        },
      });
    });
  });

  it('lets only the webhook read its tokens', () => {
    const readers = Object.values(made.template.findResources('AWS::IAM::Policy')).filter((policy) =>
      JSON.stringify(policy).includes(`"${secretId}"`),
    );
    expect(readers).toHaveLength(1);
  });

  it('makes a token that cannot be guessed, when there is none', () => {
    made.template.hasResourceProperties('AWS::SecretsManager::Secret', {
      GenerateSecretString: {
        SecretStringTemplate: '{}',
        GenerateStringKey: 'current',
        PasswordLength: 48,
        ExcludePunctuation: true,
      },
    });
    const { WEBHOOK_TOKEN_SECRET } = made.properties.Environment.Variables;
    expect(text(WEBHOOK_TOKEN_SECRET)).toBe(`<${secretId}>`);
  });

  it('uses the tokens of a secret that is named', () => {
    const { template, properties, statements } = webhookOf({ WEBHOOK_TOKEN_SECRET: tokenSecret });
    template.resourceCountIs('AWS::SecretsManager::Secret', 0);
    expect(properties.Environment.Variables.WEBHOOK_TOKEN_SECRET).toBe(tokenSecret);
    const reading = statements.filter((statement) => actions(statement).includes('secretsmanager:GetSecretValue'));
    expect(reading.map(({ Resource }) => Resource)).toEqual([tokenSecret]);
  });

  it('judges inputs by the settings of the deployment', () => {
    const { Variables } = made.properties.Environment;
    expect(Variables).toMatchObject({ MAX_CONCURRENCY: '7', REGISTRY_NAME: expect.anything() });
  });

  it('can be limited', () => {
    expect(webhookOf({ WEBHOOK_CONCURRENCY: '5' }).properties).toMatchObject({ ReservedConcurrentExecutions: 5 });
    const { template } = embed(() => ({ webhook: { reservedConcurrency: 1 } }));
    template.hasResourceProperties('AWS::Lambda::Function', { ReservedConcurrentExecutions: 1 });
  });

  it.each<[string, WebhookOptions]>([
    ['webhook.auth', { auth: 'none' as never }],
    ['webhook.principals', { auth: 'iam', principals: ['*'] }],
    ['webhook.principals', { principals: ['123456789012'] }],
    ['webhook.reservedConcurrency', { reservedConcurrency: 0 }],
    [
      'webhook.tokenSecret',
      { auth: 'iam', tokenSecret: Secret.fromSecretNameV2(new Stack(newApp()), 'Tokens', 'tokens') },
    ],
  ])('refuses a wrong %s at synthesis, by its name', (path, webhook) => {
    expect(() => embed(() => ({ webhook }))).toThrow(`${path}: found`);
  });
});

describe('the callback', () => {
  const secret = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:callback-a1B2c3';

  it('lets the report read its secret, and no other task', () => {
    const { functions, statements } = synthesize({ CALLBACK_URL_SECRET: secret });
    const readers = [...functions].filter(([, { Role }]) =>
      statements(Role['Fn::GetAtt'][0]).some(({ Resource }) => Resource === secret),
    );
    expect(readers.map(([task]) => task)).toEqual(['report']);
    expect(functions.get('report')?.Environment.Variables['CALLBACK_URL_SECRET']).toBe(secret);
  });
});
