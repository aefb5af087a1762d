import { describe, expect, it } from '@jest/globals';
import { AwsSolutionsChecks } from 'cdk-nag';
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { HarnessCiImageFactory } from '../../infra/harness-ci-image-factory.ts';
import { actions, newApp, synthesize, text } from './synthesize.ts';

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

  it('lets nobody use up the account: few at a time, and not for long', () => {
    expect(made.properties).toMatchObject({ ReservedConcurrentExecutions: 5, Timeout: 20, MemorySize: 512 });
  });

  it('may start this workflow, look at its runs and read its tokens, nothing else', () => {
    const log = (made.properties.LoggingConfig as { LogGroup: { Ref: string } }).LogGroup.Ref;
    const granted = made.statements
      .filter((statement) => !actions(statement).some((action) => action.startsWith('xray:')))
      .map((statement) => [actions(statement), [statement.Resource].flat().map(text)]);
    expect(granted).toEqual([
      [['logs:CreateLogStream', 'logs:PutLogEvents'], [`<${log}.Arn>`]],
      [['states:StartExecution'], [`<${machine}>`]],
      [
        ['states:DescribeExecution'],
        [`arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<${machine}.Name>:*`],
      ],
      [['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'], [`<${secretId}>`]],
    ]);
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

  it('judges inputs by the settings of the deployment, and sees none of its state', () => {
    const { Variables } = made.properties.Environment;
    expect(Variables).toMatchObject({ MAX_CONCURRENCY: '7', REGISTRY_NAME: expect.anything() });
    expect(Object.keys(Variables)).not.toContain('STATE_BUCKET');
  });

  it('passes the AwsSolutions rules of cdk-nag', () => {
    expect(new AwsSolutionsChecks().validateScope(made.stack).violations).toEqual([]);
  });

  it('can have another limit', () => {
    const stack = new Stack(newApp(), 'Host');
    new HarnessCiImageFactory(stack, 'Factory', { webhook: { reservedConcurrency: 1 } });
    Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', { ReservedConcurrentExecutions: 1 });
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
