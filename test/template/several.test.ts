import { describe, expect, it } from '@jest/globals';
import { CfnResource, TagManager } from 'aws-cdk-lib/core';
import release from '../../package.json' with { type: 'json' };
import { synthesize, text } from './synthesize.ts';

/** Settings that make every named resource. */
const settings = { WEBHOOK: 'on', ECR_TOKEN_SECRET: 'account.ecr', STACK_TAGS: 'team=ci,cost=42' };

/** Returns the names that the template gives resources. Inline policies are named within their roles. */
function physicalNames({ template }: ReturnType<typeof synthesize>): string[] {
  const { Resources } = template.toJSON() as { Resources: Record<string, { Type: string; Properties?: object }> };
  return Object.values(Resources).flatMap(({ Type, Properties = {} }) =>
    Object.entries(Properties)
      .filter(([property, value]) => /^(?!Display|Metric|Policy)\w*Name$/.test(property) && typeof value !== 'object')
      .map(([property, value]) => `${Type} ${property} ${value}`),
  );
}

describe('factories of one account and region', () => {
  const [first, second] = [synthesize(settings), synthesize({ ...settings, STACK_NAME: 'images-of-team-b' })];

  it('share no physical name', () => {
    const [names, others] = [physicalNames(first), physicalNames(second)];
    expect(names.map((name) => name.replace(/ \S+ .*/, ''))).toEqual(
      expect.arrayContaining(['AWS::StepFunctions::StateMachine', 'AWS::Logs::LogGroup', 'AWS::Logs::QueryDefinition']),
    );
    expect(others).toHaveLength(names.length);
    expect(names.filter((name) => others.includes(name))).toEqual([]);
  });

  it('write their metrics under dimensions of their own', () => {
    const services = [first, second].map(
      ({ functions }) => functions.get('report')?.Environment.Variables['POWERTOOLS_SERVICE_NAME'],
    );
    expect(new Set(services).size).toBe(2);
  });

  it('have the same logical ids, so that an existing deployment keeps its resources', () => {
    const ids = [first, second].map(({ template }) =>
      Object.entries((template.toJSON() as { Resources: Record<string, { Type: string }> }).Resources)
        // Versions are named after what they hold, which includes the name of the stack.
        .filter(([, { Type }]) => Type !== 'AWS::Lambda::Version')
        .map(([id]) => id),
    );
    expect(ids[0]).toEqual(ids[1]);
  });
});

describe('the tags of a stack', () => {
  const { stack, template } = synthesize(settings);

  it('reach every resource that takes tags, and the stack', () => {
    const { Resources } = template.toJSON() as { Resources: Record<string, { Properties?: { Tags?: unknown } }> };
    const taggable = stack.node
      .findAll()
      .filter((construct) => CfnResource.isCfnResource(construct) && TagManager.isTaggable(construct))
      .map((construct) => stack.resolve((construct as CfnResource).logicalId) as string);
    expect(taggable.length).toBeGreaterThan(40);
    for (const id of taggable) {
      const tags = JSON.stringify(Resources[id]?.Properties ?? {});
      expect([id, tags.includes('"team"') && tags.includes('"cost"')]).toEqual([id, true]);
    }
    expect(stack.tags.tagValues()).toMatchObject({ team: 'ci', cost: '42' });
  });

  it('make no new versions of the functions', () => {
    const versions = (made: ReturnType<typeof synthesize>) =>
      Object.keys(made.template.findResources('AWS::Lambda::Version'));
    expect(versions(synthesize({ ...settings, STACK_TAGS: '' }))).toEqual(versions(synthesize(settings)));
  });
});

describe('the outputs of a stack', () => {
  const outputs = (made: ReturnType<typeof synthesize>) =>
    Object.fromEntries(
      Object.entries(made.template.findOutputs('*')).map(([id, output]) => [id, (output as { Value: unknown }).Value]),
    );

  it('have the version, as the description has', () => {
    const { template, ...made } = synthesize();
    expect(outputs({ template, ...made })['Version']).toBe(release.version);
    expect((template.toJSON() as { Description: string }).Description).toContain(release.version);
  });

  it('have the command that starts the first run', () => {
    const made = synthesize();
    const machine = made.logicalId(made.factory.stateMachine);
    expect(text(outputs(made)['NextCommand'])).toBe(
      `aws stepfunctions start-execution --region <AWS::Region> --state-machine-arn <${machine}> --input '{"action":"plan"}'`,
    );
  });

  it.each([
    ['eu-west-1', 'console.aws.amazon.com'],
    ['us-gov-west-1', 'console.amazonaws-us-gov.com'],
    ['cn-north-1', 'console.amazonaws.cn'],
    ['eusc-de-east-1', 'console.amazonaws-eusc.eu'],
  ])('link the console of %s', (region, host) => {
    const made = synthesize({}, { region });
    const { WorkflowConsole, DashboardConsole, StateBucketConsole } = outputs(made);
    const machine = made.logicalId(made.factory.stateMachine);
    expect(text(WorkflowConsole)).toBe(`https://${host}/states/home?region=${region}#/statemachines/view/<${machine}>`);
    expect(text(DashboardConsole)).toMatch(
      new RegExp(`^https://${host}/cloudwatch/home\\?region=${region}#dashboards/dashboard/<\\w+>$`),
    );
    expect(text(StateBucketConsole)).toMatch(new RegExp(`^https://${host}/s3/buckets/<\\w+>\\?region=${region}$`));
  });

  it('link no console in an isolated region, and by a condition where the region is not known', () => {
    const links = (made: ReturnType<typeof synthesize>) =>
      Object.entries(made.template.findOutputs('*')).filter(([id]) => id.endsWith('Console'));
    expect(links(synthesize({}, { region: 'us-iso-east-1' }))).toEqual([]);
    expect(links(synthesize()).map(([, output]) => output)).toEqual([
      expect.objectContaining({ Condition: 'HasConsole' }),
      expect.objectContaining({ Condition: 'HasConsole' }),
      expect.objectContaining({ Condition: 'HasConsole' }),
    ]);
  });
});
