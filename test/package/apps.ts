import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { root } from '../../infra/package/root.ts';
import cdkJson from '../../cdk.json' with { type: 'json' };
import packageJson from '../../package.json' with { type: 'json' };
import { emptyFolder, install, node, pack, write } from './project.ts';

export type Templates = Record<
  string,
  { Resources: Record<string, { Type: string; Properties?: Record<string, unknown> }> }
>;

const app = readFileSync(join(import.meta.dirname, 'app.ts'), 'utf8');
const cdkJsonOf = (command: string) => JSON.stringify({ ...cdkJson, app: command });

/** Kinds of apps, by their folder in one project. Below it, all find the same packages. */
const apps = {
  // As `cdk init app --language typescript` makes it.
  'commonjs-typescript': {
    'package.json': '{}',
    'tsconfig.json': JSON.stringify({
      compilerOptions: { target: 'ES2022', module: 'NodeNext', strict: true, types: ['node'] },
      files: ['app.ts'],
    }),
    'app.ts': app,
    'cdk.json': cdkJsonOf('node app.js'),
  },
  'esm-typescript': { 'package.json': '{"type": "module"}', 'app.ts': app, 'cdk.json': cdkJsonOf('node app.ts') },
  javascript: {
    'package.json': '{}',
    'app.js': readFileSync(join(import.meta.dirname, 'app.cjs'), 'utf8'),
    'cdk.json': cdkJsonOf('node app.js'),
  },
};

/** Synthesizes the app of a folder with the CLI of CDK. */
export async function synthesize(cwd: string, ...args: string[]): Promise<Templates> {
  const cdk = join(root, 'node_modules/aws-cdk/bin/cdk');
  const output = emptyFolder();
  const plain = ['--no-path-metadata', '--no-asset-metadata', '--no-version-reporting', '--no-notices'];
  await node(cdk, ['synth', '--quiet', '--output', output, ...plain, ...args], { cwd });
  const names = readdirSync(output).filter((name) => name.endsWith('.template.json'));
  return Object.fromEntries(
    names.map((name) => [name.replace('.template.json', ''), readJson(join(output, name)) as Templates[string]]),
  );
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Removes the one condition that newer versions of CDK add, to the role of the state machine. */
function withoutNewCondition(templates: Templates): Templates {
  const copy = structuredClone(templates);
  for (const { Resources } of Object.values(copy)) {
    const trusts = Object.values(Resources)
      .filter(({ Type }) => Type === 'AWS::IAM::Role')
      .map(({ Properties }) => Properties?.['AssumeRolePolicyDocument'] as { Statement: Record<string, unknown>[] })
      .flatMap(({ Statement }) => Statement)
      .filter((statement) => JSON.stringify(statement['Principal']) === '{"Service":"states.amazonaws.com"}');
    expect(trusts).toMatchObject([{ Condition: { ArnLike: { 'aws:SourceArn': expect.anything() } } }]);
    for (const statement of trusts) delete statement['Condition'];
  }
  return copy;
}

/**
 * Tests apps of each kind, with one version of CDK and of TypeScript. CDK before 2.270 leaves out a condition.
 *
 * @returns the folder of the project, once tests run
 */
export function testApps({
  cdk,
  constructs,
  typescript,
}: Record<'cdk' | 'constructs' | 'typescript', string>): () => string {
  let project: string;
  let expected: Templates;
  beforeAll(async () => {
    const packages = {
      'aws-cdk-lib': cdk,
      constructs,
      typescript,
      '@types/node': packageJson.devDependencies['@types/node'],
    };
    const [templates, folder] = await Promise.all([
      // In this project, the app finds the sources under the package's name.
      synthesize(root, '--app', 'node test/package/app.ts'),
      pack().then((tarball) => install({ ...packages, 'harness-ci-image-factory': `file:${tarball}` })),
    ]);
    project = folder;
    for (const [name, files] of Object.entries(apps)) write(join(project, name), files);
    expected = cdk === packageJson.dependencies['aws-cdk-lib'] ? templates : withoutNewCondition(templates);
  });

  const tsc = (...args: string[]) =>
    node(join(project, 'node_modules/typescript/bin/tsc'), args, { cwd: join(project, 'commonjs-typescript') });

  it('has one CDK', () => {
    const found = readdirSync(join(project, 'node_modules'), { recursive: true, encoding: 'utf8' });
    expect(found.filter((path) => /(?:^|[\\/])aws-cdk-lib$/.test(path))).toEqual(['aws-cdk-lib']);
  });

  it('compiles in TypeScript for CommonJS, and gives the templates of the sources', async () => {
    await tsc();
    expect(await synthesize(join(project, 'commonjs-typescript'))).toEqual(expected);
  });

  it('gives the templates of the sources in TypeScript for ES modules', async () => {
    expect(await synthesize(join(project, 'esm-typescript'))).toEqual(expected);
  });

  it('gives the template of the sources in JavaScript', async () => {
    expect(await synthesize(join(project, 'javascript'))).toEqual({ Defaults: expected['Defaults'] });
  });

  it('gets one class from require and import', async () => {
    const script = `import { createRequire } from 'node:module'; import * as imported from 'harness-ci-image-factory';
      const required = createRequire(import.meta.url)('harness-ci-image-factory');
      console.log(Object.keys(required), required.HarnessCiImageFactory === imported.HarnessCiImageFactory);`;
    write(project, { 'classes.mjs': script });
    const printed = await node(join(project, 'classes.mjs'), [], { cwd: project });
    expect(printed).toBe("[ 'HarnessCiImageFactory', 'defaultApiKeySecretName' ] true\n");
  });
  return () => project;
}
