import { describe, expect, it } from '@jest/globals';
import { Key } from 'aws-cdk-lib/aws-kms';
import { actions, embed, resourcesOf, synthesize, text } from './synthesize.ts';

const { template, logicalId, factory, statements, functions } = synthesize();
const machine = logicalId(factory.stateMachine);
const [rule] = Object.values(template.findResources('AWS::Events::Rule')).map(
  ({ Properties }) =>
    Properties as {
      EventPattern: { source: string[]; 'detail-type': string[]; detail: Record<string, unknown> };
      Targets: {
        Arn: object;
        RoleArn: { 'Fn::GetAtt': [string, string] };
        InputTransformer: Record<string, unknown>;
      }[];
    },
);
const [target] = rule?.Targets ?? [];

describe('the rule for stopped runs', () => {
  it('hears of executions of this workflow that were stopped, timed out, or ended by Step Functions', () => {
    template.resourceCountIs('AWS::Events::Rule', 1);
    expect(rule?.EventPattern).toEqual({
      source: ['aws.states'],
      'detail-type': ['Step Functions Execution Status Change'],
      detail: {
        stateMachineArn: [{ Ref: machine }],
        input: [{ 'anything-but': { prefix: '{"recover_run"' } }, { exists: false }],
        $or: [{ status: ['ABORTED', 'TIMED_OUT'] }, { status: ['FAILED'], error: [{ prefix: 'States.' }] }],
      },
    });
  });

  it('starts the same workflow with the name of that execution, in an input that the rule leaves out', () => {
    expect(target?.Arn).toEqual({ Ref: machine });
    const { InputPathsMap: paths, InputTemplate: input } = target?.InputTransformer ?? {};
    expect(paths).toEqual({ 'detail-name': '$.detail.name' });
    expect(input).toBe('{"recover_run":<detail-name>}');
  });

  it('may start that workflow, and nothing else, for this account alone', () => {
    const [role = ''] = target?.RoleArn['Fn::GetAtt'] ?? [];
    const granted = statements(role).flatMap((statement) =>
      actions(statement).flatMap((action) => resourcesOf(statement).map((resource) => `${action} ${resource}`)),
    );
    expect(granted).toEqual([`states:StartExecution <${machine}>`]);
    const trust = template.findResources('AWS::IAM::Role')[role]?.Properties as object;
    expect(JSON.stringify(trust)).toContain('"aws:SourceAccount":{"Ref":"AWS::AccountId"}');
  });
});

describe('the plan task', () => {
  it('knows the workflow by its name, so that it can look up the execution that was stopped', () => {
    const { Variables } = functions.get('plan')?.Environment ?? {};
    const [{ Properties }] = Object.values(template.findResources('AWS::StepFunctions::StateMachine')) as [
      { Properties: { StateMachineName: string } },
    ];
    const arn = 'arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine';
    expect(text(Variables?.['STATE_MACHINE_ARN'])).toBe(`${arn}:${Properties.StateMachineName}`);
  });

  it('may decrypt executions that a key of the deployment encrypts', () => {
    const made = embed((stack) => ({ encryptionKey: new Key(stack, 'Key') }));
    const decrypting = made.permissions('plan').filter((permission) => permission.includes('states:stateMachineArn'));
    expect(decrypting).toEqual([expect.stringMatching(/^kms:Decrypt <Key.*kms:ViaService.*states\./)]);
  });
});
