import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type Stack, Validations } from 'aws-cdk-lib/core';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks, NIST80053R5Checks } from 'cdk-nag';
import { available } from '../real-parts.ts';
import { acceptancesIn } from '../template/acceptances.ts';
import { configurations } from '../template/configurations.ts';
import { embedAgain } from '../template/synthesize.ts';

type Made = ReturnType<(typeof configurations)['default' | 'everything']>;

const made: [string, Made][] = Object.entries(configurations).map(([name, make]) => [name, make()]);

/** Returns the findings of cdk-nag's rules. */
function nagFindings(stack: Stack): { rule: string; path: string }[] {
  return [new AwsSolutionsChecks(), new NIST80053R5Checks()].flatMap((pack) =>
    pack
      .validateScope(stack)
      .violations.flatMap(({ ruleName, violatingResources }) =>
        violatingResources.map(({ constructPath = '' }) => ({ rule: ruleName, path: constructPath })),
      ),
  );
}

/** Makes a stack that accepts no finding. */
function makeStrictly(make: () => Made): Made {
  const acknowledge = jest.spyOn(Validations.prototype, 'acknowledge').mockReturnValue();
  try {
    return make();
  } finally {
    acknowledge.mockRestore();
  }
}

describe.each(made)('the stack, %s,', (name, { stack }) => {
  it('passes the AwsSolutions and NIST 800-53 R5 rules of cdk-nag', () => {
    expect(nagFindings(stack)).toEqual([]);
  });

  it('accepts no finding that cdk-nag does not have', () => {
    const make = configurations[name as keyof typeof configurations];
    const found = nagFindings(makeStrictly(make).stack);
    const accepted = acceptancesIn(stack).filter(({ rule }) => rule.includes('-'));
    expect(accepted.length).toBeGreaterThan(20);
    const idle = accepted.filter(
      ({ rule, path }) => !found.some((one) => one.rule === rule && `${one.path}/`.startsWith(`${path}/`)),
    );
    expect(idle).toEqual([]);
  });

  it('gives a reason for each finding that it accepts', () => {
    for (const { reason } of acceptancesIn(stack)) expect(reason).toMatch(/^[A-Z].{15,}$/);
  });
});

it.each(made)('the template, %s, holds no null, which CloudFormation refuses', (_, { template }) => {
  expect(JSON.stringify(template.toJSON())).not.toMatch(/[:[,]null[,\]}]/);
});

it('checks with rules that find a wrong stack', () => {
  const { stack } = embedAgain();
  new Bucket(stack, 'Careless');
  expect(nagFindings(stack).map(({ rule }) => rule)).toEqual(
    expect.arrayContaining(['AwsSolutions-S1', 'AwsSolutions-S10', 'NIST.800.53.R5-S3BucketVersioningEnabled']),
  );
});

interface Resource {
  Metadata?: {
    checkov?: { skip: { id: string; comment: string }[] };
    'cfn-lint'?: { config: { ignore_checks: string[] } };
  };
}
type TemplateJson = { Resources: Record<string, Resource> };

/** Returns the rules that the resources of a template accept, as `Id rule`. */
function acceptedBy({ Resources: resources }: TemplateJson, rulesOf: (resource: Resource) => string[]): string[] {
  return Object.entries(resources).flatMap(([id, resource]) => rulesOf(resource).map((rule) => `${id} ${rule}`));
}

/** Returns the template without what its resources accept. */
function strictly(template: TemplateJson): TemplateJson {
  const strict = Object.entries(template.Resources).map(([id, { Metadata: _, ...resource }]) => [id, resource]);
  return { ...template, Resources: Object.fromEntries(strict) as TemplateJson['Resources'] };
}

/**
 * Runs a tool once on every template without what its resources accept, on the largest one with it, and on a wrong one.
 * Returns the findings by template: `accepting` and `wrong` are the last two.
 */
async function check(findings: (files: string[]) => Promise<{ file: string; finding: string }[]>) {
  const folder = mkdtempSync(join(tmpdir(), 'templates-'));
  const templates = new Map<string, object>([
    ...made.map(([name, { template }]) => [name, strictly(template.toJSON() as TemplateJson)] as const),
    ...made
      .filter(([name]) => name === 'everything')
      .map(([, { template }]) => ['accepting', template.toJSON()] as const),
    ['wrong', { Resources: { Bucket: { Type: 'AWS::S3::Bucket', Properties: { Name: 'wrong' } } } }],
  ]);
  const fileOf = (name: string) => join(folder, `${name}.json`);
  try {
    for (const [name, template] of templates) writeFileSync(fileOf(name), JSON.stringify(template));
    const found = await findings([...templates.keys()].map(fileOf));
    const at = (name: string) =>
      found.filter(({ file }) => basename(file, '.json') === name).map(({ finding }) => finding);
    return new Map([...templates.keys()].map((name) => [name, at(name).toSorted()]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns what a command prints. It exits with another status than 0 when it finds something. */
async function outputOf(command: string, args: string[]): Promise<unknown> {
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(command, args, { maxBuffer: 64 * 1024 * 1024 }, (error, out, errors) => {
      if (out.trim() === '') reject(error ?? new Error(errors));
      else resolve(out);
    });
  });
  return JSON.parse(stdout) as unknown;
}

(available('cfn-lint') ? describe : describe.skip)('cfn-lint', () => {
  let found: Awaited<ReturnType<typeof check>>;

  beforeAll(async () => {
    found = await check(async (files) => {
      const options = ['--format', 'json', '--regions', 'eu-west-1', '--', ...files];
      const findings = (await outputOf('cfn-lint', options)) as LintFinding[];
      return findings.map(({ Filename, Rule, Location }) => ({
        file: Filename,
        finding: `${Location.Path[1]} ${Rule.Id}`,
      }));
    });
  }, 180_000);

  it.each(made)('finds in the template, %s, what its resources accept, and nothing else', (name, { template }) => {
    const accepted = acceptedBy(template.toJSON() as TemplateJson, ({ Metadata }) => {
      return Metadata?.['cfn-lint']?.config.ignore_checks ?? [];
    });
    expect(found.get(name)).toEqual(accepted.toSorted());
  });

  it('finds nothing with cfn-lint that the resources accept', () => expect(found.get('accepting')).toEqual([]));

  it('finds a wrong template with cfn-lint', () => {
    expect(found.get('wrong')).toEqual(['Bucket E3002']);
  });
});

interface LintFinding {
  Filename: string;
  Rule: { Id: string };
  Location: { Path: (string | number)[] };
}

(available('checkov') ? describe : describe.skip)('checkov', () => {
  let found: Awaited<ReturnType<typeof check>>;

  beforeAll(async () => {
    found = await check(async (files) => {
      const options = ['--framework', 'cloudformation', '--compact', '--skip-download', '--output', 'json'];
      const report = (await outputOf('checkov', [...options, '--file', ...files])) as CheckovReport;
      expect(report.results.parsing_errors).toEqual([]);
      return report.results.failed_checks.map(({ file_abs_path: file, resource, check_id: rule }) => ({
        file,
        finding: `${resource.replace(/^.*\./, '')} ${rule}`,
      }));
    });
  }, 180_000);

  it.each(made)('finds in the template, %s, what its resources skip, and nothing else', (name, { template }) => {
    const skipped = acceptedBy(template.toJSON() as TemplateJson, ({ Metadata }) => {
      return Metadata?.checkov?.skip.map(({ id }) => id) ?? [];
    });
    expect(found.get(name)).toEqual(skipped.toSorted());
  });

  it('finds nothing with checkov that the resources skip', () => expect(found.get('accepting')).toEqual([]));

  it('finds a wrong template with checkov', () => {
    expect(found.get('wrong')).toContain('Bucket CKV_AWS_18');
  });
});

interface CheckovReport {
  results: {
    failed_checks: { file_abs_path: string; resource: string; check_id: string }[];
    parsing_errors: string[];
  };
}
