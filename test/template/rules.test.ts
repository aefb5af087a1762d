import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { available } from '../real-parts.ts';
import { everything } from './everything.ts';
import { embed, synthesize } from './synthesize.ts';

const stacks = { plain: synthesize(), 'with everything': embed(everything) };

describe.each(Object.entries(stacks))('the stack, %s,', (_, { stack }) => {
  it('passes the AwsSolutions rules of cdk-nag', () => {
    expect(new AwsSolutionsChecks().validateScope(stack).violations).toEqual([]);
  });
});

it.each(Object.entries(stacks))('the template, %s, holds no null, which CloudFormation refuses', (_, { template }) => {
  expect(JSON.stringify(template.toJSON())).not.toMatch(/[:[,]null[,\]}]/);
});

it('checks with rules that find a wrong stack', () => {
  const { stack } = embed();
  new Bucket(stack, 'Careless');
  const found = new AwsSolutionsChecks().validateScope(stack).violations.map(({ ruleName }) => ruleName);
  expect(found.toSorted()).toEqual(['AwsSolutions-S1', 'AwsSolutions-S10']);
});

(available('cfn-lint') ? describe : describe.skip)('cfn-lint', () => {
  const wrong = { Resources: { Bucket: { Type: 'AWS::S3::Bucket', Properties: { Name: 'wrong' } } } };
  const templates = {
    ...Object.fromEntries(Object.entries(stacks).map(([name, { template }]) => [name, template.toJSON()])),
    wrong,
  };
  const found = new Map<string, string[]>();

  beforeAll(() => {
    const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
    const files = Object.entries(templates).map(([name, template]) => {
      const file = join(folder, `${name}.json`);
      writeFileSync(file, JSON.stringify(template));
      return file;
    });
    // W3005: CDK names dependencies that CloudFormation finds by itself as well.
    const options = ['--format', 'json', '--ignore-checks', 'W3005', '--regions', 'eu-west-1', '--'];
    const { stdout } = spawnSync('cfn-lint', [...options, ...files], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    for (const { Filename, Rule, Message } of JSON.parse(stdout) as Finding[]) {
      const name = basename(Filename, '.json');
      found.set(name, [...(found.get(name) ?? []), `${Rule.Id} ${Message}`]);
    }
  }, 120_000);

  it.each(Object.keys(stacks))('finds nothing in the template, %s', (name) => {
    expect(found.get(name) ?? []).toEqual([]);
  });

  it('finds a wrong template with cfn-lint', () => {
    expect(found.get('wrong')).toEqual([expect.stringMatching(/^E3002 /)]);
  });
});

interface Finding {
  Filename: string;
  Message: string;
  Rule: { Id: string };
}
