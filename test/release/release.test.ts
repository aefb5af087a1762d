import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { strFromU8, unzipSync } from 'fflate';
import release from '../../package.json' with { type: 'json' };
import { available } from '../real-parts.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const templates = ['factory', 'factory-other-registry', 'factory-webhook'].map((name) => `${name}.template.json`);

interface Template {
  Description: string;
  Parameters: Record<string, { Type: string; MaxLength?: number; AllowedPattern?: string; AllowedValues?: string[] }>;
  Resources: Record<string, { Type: string; Properties?: Record<string, unknown> }>;
}

let folder: string;
let built: string;

/** Builds a release in a process of its own, with a folder for temporary files of its own. */
async function build(name: string): Promise<string> {
  const at = join(folder, name);
  const script = `import { buildRelease } from ${JSON.stringify(join(root, 'infra/release/build.ts'))};
    await buildRelease(...process.argv.slice(1));`;
  const command = ['--input-type=module', '--eval', script, join(at, 'release'), join(at, 'package')];
  await run(process.execPath, command, { cwd: folder });
  return join(at, 'release');
}
const read = (name: string) => readFileSync(join(built, name), 'utf8');
const template = (name: string) => JSON.parse(read(name)) as Template;
const properties = (name: string, type: string) =>
  Object.values(template(name).Resources).flatMap(({ Type, Properties = {} }) => (Type === type ? [Properties] : []));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'release-'));
  built = await build('first');
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a release', () => {
  it('holds the package, the templates with their zips, and what comes with them', () => {
    const names = readdirSync(built).map((name) => name.replace(/-[0-9a-f]{16}\.zip$/, '.zip'));
    const tasks = 'copy export gate plan prune report reset-config rollback scan snapshot update-config verify webhook';
    expect(names.toSorted()).toEqual(
      [
        `${release.name}-${release.version}.tgz`,
        ...templates,
        ...tasks.split(' ').map((task) => `${task}.zip`),
        'CHANGES.md',
        'LICENSE',
        'SHA256SUMS',
        'THIRD-PARTY-LICENSES.txt',
        'sbom.cdx.json',
      ].toSorted(),
    );
  });

  it('has the checksum of every other file', async () => {
    const { stdout } = await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: built });
    expect(stdout.match(/: OK$/gm)).toHaveLength(readdirSync(built).length - 1);
  });

  it('has the same bytes when it is built again', async () => {
    const again = await build('second');
    expect(readFileSync(join(again, 'SHA256SUMS'), 'utf8')).toBe(read('SHA256SUMS'));
  }, 240_000);
});

describe.each(templates)('the template %s', (name) => {
  it('names the release, and neither CDK nor a folder of the machine that made it', () => {
    expect(template(name).Description).toContain(release.version);
    expect(read(name)).not.toMatch(/aws:cdk|AWS::CDK|cdk-|Bootstrap/);
    for (const path of [root, tmpdir(), folder]) expect(read(name)).not.toContain(`${path}/`);
  });

  it('takes the code of every function from a zip of the release', () => {
    const all = readdirSync(built);
    const functions = properties(name, 'AWS::Lambda::Function');
    expect(functions.length).toBeGreaterThan(10);
    for (const { Code } of functions) {
      const { S3Bucket, S3Key } = Code as { S3Bucket: unknown; S3Key: { 'Fn::Join': [string, [unknown, string]] } };
      expect(S3Bucket).toEqual({ Ref: 'AssetsBucket' });
      const [prefix, zip] = S3Key['Fn::Join'][1];
      expect(prefix).toEqual({ Ref: 'AssetsPrefix' });
      expect(all).toContain(zip);
      const files = unzipSync(readFileSync(join(built, zip)));
      expect(Object.keys(files)).toEqual(['index.mjs']);
      expect(strFromU8(files['index.mjs'] ?? new Uint8Array())).toContain('handler');
    }
  });

  it('names nothing alike in two stacks of one account and region', () => {
    const fixed = Object.values(template(name).Resources).flatMap(({ Type, Properties = {} }) =>
      Object.entries(Properties)
        .filter(([property, value]) => /^(?!Display|Metric|Policy)\w*Name$/.test(property) && typeof value === 'string')
        .map(([property]) => `${Type} ${property}`),
    );
    expect(fixed).toEqual([]);
    expect(properties(name, 'AWS::StepFunctions::StateMachine')).toEqual([
      expect.objectContaining({ StateMachineName: { Ref: 'AWS::StackName' } }),
    ]);
    for (const { Name } of properties(name, 'AWS::Logs::QueryDefinition'))
      expect(Name).toEqual({ 'Fn::Join': ['', [{ Ref: 'AWS::StackName' }, expect.any(String)]] });
  });

  it('publishes new versions for each parameter that the functions have, within the length of a description', () => {
    const { Parameters } = template(name);
    const [variables = ''] = properties(name, 'AWS::Lambda::Function').map(({ Environment }) =>
      JSON.stringify(Environment),
    );
    const used = Object.keys(Parameters).filter((id) => variables.includes(`{"Ref":"${id}"}`));
    expect(used).toEqual(expect.arrayContaining(['HarnessUrl', 'MaxConcurrency', 'ModifyDefault']));
    for (const { Description } of properties(name, 'AWS::Lambda::Version'))
      expect(Description).toEqual({ 'Fn::Join': [' ', used.map((Ref) => ({ Ref }))] });
    const lengths = used.map((id) => {
      const { Type, MaxLength, AllowedValues = [] } = Parameters[id] ?? { Type: '' };
      // The greatest number is 40.
      return Type === 'Number' ? 2 : (MaxLength ?? Math.max(...AllowedValues.map(({ length }) => length)));
    });
    expect(lengths.reduce((sum, length) => sum + 1 + length)).toBeLessThanOrEqual(256);
  });

  it('raises no alarm about an overdue sync when the schedule is off', () => {
    const overdue = properties(name, 'AWS::CloudWatch::Alarm').filter(({ ActionsEnabled }) => ActionsEnabled);
    expect(overdue).toEqual([
      expect.objectContaining({
        ActionsEnabled: { 'Fn::If': ['HasSchedule', true, false] },
        EvaluationPeriods: { Ref: 'OverdueAfterHours' },
      }),
    ]);
  });
});

it('documents every parameter of the templates', () => {
  const page = readFileSync(join(root, 'docs/deployment.md'), 'utf8');
  const parameters = templates.flatMap((name) => Object.keys(template(name).Parameters));
  expect(parameters.filter((id) => !page.includes(`\`${id}\``))).toEqual([]);
});

describe('the parameter of another registry', () => {
  const accepts = (value: string) => {
    const { AllowedPattern = '' } = template('factory-other-registry.template.json').Parameters['RegistryName'] ?? {};
    return new RegExp(AllowedPattern).test(value);
  };

  it.each(['registry.example', 'registry.example:5000', 'registry.example/mirror', '127.0.0.1:5000/team-a/images'])(
    'takes %s',
    (value) => expect(accepts(value)).toBe(true),
  );

  it.each([
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror',
    '123456789012.dkr-ecr.eu-west-1.on.aws',
    'https://registry.example',
    'registry.example/',
    'registry.example/UPPER',
  ])('refuses %s', (value) => expect(accepts(value)).toBe(false));
});

(available('cfn-lint') ? it : it.skip)(
  'cfn-lint finds nothing in the templates of a release',
  async () => {
    const { stdout } = await run('cfn-lint', ['--regions', 'eu-west-1', '--', ...templates], { cwd: built });
    expect(stdout).toBe('');
  },
  180_000,
);
