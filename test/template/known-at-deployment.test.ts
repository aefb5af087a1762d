import { describe, expect, it } from '@jest/globals';
import { Aws, CfnParameter, Fn, type Stack, Token } from 'aws-cdk-lib/core';
import type { HarnessCiImageFactoryProps } from '../../infra/harness-ci-image-factory.ts';
import { embed, text } from './synthesize.ts';

const parameter = (stack: Stack, id: string, type = 'String') => new CfnParameter(stack, id, { type });
const problemsOf = (props: (stack: Stack) => HarnessCiImageFactoryProps): string[] => {
  try {
    embed(props);
  } catch (error) {
    return (error as Error).message.split('\n').slice(1);
  }
  return [];
};
const variables = ({ functions }: ReturnType<typeof embed>, task = 'plan') =>
  functions.get(task)?.Environment.Variables ?? {};

describe('the name of a factory', () => {
  it('names everything that would else be named after the path, also when it is known at deployment only', () => {
    const made = embed(() => ({ name: Aws.STACK_NAME }));
    const name = { Ref: 'AWS::StackName' };
    made.template.hasResourceProperties('AWS::StepFunctions::StateMachine', { StateMachineName: name });
    made.template.hasResourceProperties('AWS::Logs::LogGroup', {
      LogGroupName: { 'Fn::Join': ['', ['/aws/vendedlogs/states/', name]] },
    });
    made.template.hasResourceProperties('AWS::Events::Rule', { Name: name });
    made.template.hasResourceProperties('AWS::Logs::QueryDefinition', {
      Name: { 'Fn::Join': ['', [name, '/throttles']] },
    });
    expect(variables(made)['POWERTOOLS_SERVICE_NAME']).toEqual(name);
    expect(JSON.stringify(made.template.toJSON())).not.toContain('HostFactory');
  });

  it('may be written out', () => {
    embed(() => ({ name: 'images_of-team-b' })).template.hasResourceProperties('AWS::StepFunctions::StateMachine', {
      StateMachineName: 'images_of-team-b',
    });
  });

  it.each(['', 'a b', 'a'.repeat(65)])('cannot be one that AWS would refuse: "%s"', (name) => {
    expect(problemsOf(() => ({ name }))).toEqual([expect.stringContaining('  name: ')]);
  });
});

describe('the prefix of the registry', () => {
  const host = '<AWS::AccountId>.dkr.ecr.<AWS::Region>.<AWS::URLSuffix>';
  const repositories = 'arn:<AWS::Partition>:ecr:<AWS::Region>:<AWS::AccountId>:repository';

  it.each([
    ['written out', () => 'team-a/images', 'team-a/images'],
    ['a parameter', (stack: Stack) => parameter(stack, 'Prefix').valueAsString, '<Prefix>'],
  ])('limits the functions to its repositories, %s', (_, registryPrefix, prefix) => {
    const made = embed((stack) => ({ registryPrefix: registryPrefix(stack) }));
    expect(text(variables(made)['REGISTRY_NAME'])).toBe(`${host}/${prefix}`);
    expect(made.permissions('copy')).toContain(`ecr:PutImage ${repositories}/${prefix}/*`);
    expect(made.permissions('copy').filter((permission) => permission.startsWith('ecr:PutImage'))).toHaveLength(1);
  });

  it.each(['', 'UPPER', '/mirror', 'mirror/'])(
    'cannot be one that no repository could have: "%s"',
    (registryPrefix) => {
      expect(problemsOf(() => ({ registryPrefix }))).toEqual([expect.stringContaining('  registryPrefix: ')]);
    },
  );

  it('cannot be given beside the name of a registry', () => {
    expect(problemsOf(() => ({ registryPrefix: 'mirror', registryName: 'registry.example' }))).toEqual([
      expect.stringContaining('  registryPrefix: found a value'),
    ]);
  });
});

describe('a registry whose name is known at deployment only', () => {
  const made = embed((stack) => ({ registryName: parameter(stack, 'Registry').valueAsString }));

  it('gives no function a permission to change anything in ECR', () => {
    expect(variables(made)['REGISTRY_NAME']).toEqual({ Ref: 'Registry' });
    for (const task of made.functions.keys())
      expect(made.permissions(task).filter((permission) => /^ecr:(?:Put|Create|BatchDelete)/.test(permission))).toEqual(
        [],
      );
  });

  it('comes with a warning that says so', () => {
    const warned = /no permissions in ECR.*registryPrefix/;
    expect(made.warnings).toContainEqual({ id: '/Host/Factory', text: expect.stringMatching(warned) });
    expect(embed().warnings).not.toContainEqual({ id: expect.anything(), text: expect.stringMatching(warned) });
  });

  it('cannot be the name of a registry in ECR', () => {
    const registryName = `${Aws.ACCOUNT_ID}.dkr.ecr.eu-west-1.amazonaws.com/mirror`;
    expect(problemsOf(() => ({ registryName }))).toEqual([expect.stringContaining('registryPrefix')]);
  });
});

describe('parameters of the stack', () => {
  const props = (stack: Stack): HarnessCiImageFactoryProps => ({
    harnessUrl: Fn.sub('https://${Host}/gateway'),
    maxConcurrency: parameter(stack, 'Images', 'Number').valueAsNumber,
    modifyDefault: Token.asAny(Fn.ref(parameter(stack, 'Switch').logicalId)),
    notificationEmails: [],
  });
  const made = embed((stack) => {
    parameter(stack, 'Host');
    parameter(stack, 'Unused');
    return props(stack);
  });

  it('reach the functions as they are', () => {
    expect(variables(made)).toMatchObject({ MAX_CONCURRENCY: { Ref: 'Images' }, MODIFY_DEFAULT: { Ref: 'Switch' } });
  });

  it('make new versions of the functions when they change, because executions call versions', () => {
    made.template.allResourcesProperties('AWS::Lambda::Version', {
      Description: { 'Fn::Join': [' ', [{ Ref: 'Host' }, { Ref: 'Images' }, { Ref: 'Switch' }]] },
    });
  });

  it('leave the versions of a stack without parameters in the variables as they were', () => {
    for (const { Properties } of Object.values(embed().template.findResources('AWS::Lambda::Version')))
      expect(Properties).not.toHaveProperty('Description');
  });
});
