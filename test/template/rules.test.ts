import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
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

it('is judged by rules that do find what is wrong', () => {
  const { stack } = embed();
  new Bucket(stack, 'Careless');
  const found = new AwsSolutionsChecks().validateScope(stack).violations.map(({ ruleName }) => ruleName);
  expect(found.toSorted()).toEqual(['AwsSolutions-S1', 'AwsSolutions-S10']);
});

(available('cfn-lint') ? describe : describe.skip)('cfn-lint', () => {
  const lint = (...templates: object[]) => {
    const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
    const files = templates.map((template, index) => {
      const file = join(folder, `${index}.json`);
      writeFileSync(file, JSON.stringify(template));
      return file;
    });
    // W3005: CDK names dependencies that CloudFormation finds by itself as well.
    const command = ['--ignore-checks', 'W3005', '--regions', 'eu-west-1', '--', ...files];
    const { status, stdout, stderr } = spawnSync('cfn-lint', command, { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    return { status, output: stdout + stderr };
  };

  it('finds nothing in the templates', () => {
    const templates = Object.values(stacks).map(({ template }) => template.toJSON());
    expect(lint(...templates)).toEqual({ status: 0, output: '' });
  }, 120_000);

  it('does find what is wrong', () => {
    const { output } = lint({ Resources: { Bucket: { Type: 'AWS::S3::Bucket', Properties: { Name: 'wrong' } } } });
    expect(output).toContain('E3002');
  }, 120_000);
});
