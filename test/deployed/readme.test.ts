import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { blocksOf } from './page-blocks.ts';
import { pythonEnvironment } from './python-environment.ts';
import { Shell } from './shell.ts';
import { startSurroundings, type Surroundings } from './surroundings.ts';

const root = join(import.meta.dirname, '../..');
const clone = 'harness-ci-image-factory';
const nodeRole = 'nodes';
const fields = { addonTag: 'harness/ci-addon:1.18.22', liteEngineTag: 'harness/ci-lite-engine:1.18.22' };
const images = Object.values(fields);

const blocks = blocksOf('../README.md').get('Deploy to AWS') ?? [];
const [tools, code, key, deployment, plan, copy, nodes, change, ...others] = blocks;

let world: Surroundings;
let shell: Shell;
/** Lines of the page that cannot run as they are, with those that take their place. */
let instead: ReadonlyMap<string, string>;

beforeAll(async () => {
  world = await startSurroundings(fields);
  const { folder, aws, harness, registry, source } = world;
  const checkout = join(folder, 'checkout');
  const left = new Set(['.git', 'node_modules', 'cdk.out', 'dist', 'coverage']);
  cpSync(root, checkout, { recursive: true, filter: (path) => !left.has(relative(root, path)) });
  const home = join(folder, 'home');
  mkdirSync(home);
  instead = new Map([
    // The page's address has a placeholder. This checkout takes its place.
    [`git clone https://github.com/YOUR-ORGANIZATION/${clone}.git`, `cp -r ${checkout} ${clone}`],
    // Needs the package registry. .ci/run installs the packages in a clean checkout.
    ['npm ci', `ln -s ${root}/node_modules node_modules`],
    // The page names this option for a CI job: there is no terminal to ask.
    ['npx cdk deploy', 'npx cdk deploy --require-approval never'],
    [
      'aws iam attach-role-policy --role-name YOUR-NODE-ROLE \\',
      `aws iam attach-role-policy --role-name ${nodeRole} \\`,
    ],
    // The page tells to repeat it until the run has ended.
    ['result', 'until [[ $(result) != *RUNNING* ]]; do sleep 0.2; done; result'],
  ]);
  // The region is set by the page.
  const { AWS_REGION: _, ...environment } = aws.environment;
  // A shell outside of the clone has none of its commands.
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((each) => !each.includes('node_modules'));
  shell = new Shell(folder, {
    ...environment,
    PATH: [dirname(await pythonEnvironment()), ...path].join(delimiter),
    HOME: home,
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    CDK_NOTICES: 'false',
    npm_config_update_notifier: 'false',
    // LocalStack has no ECR. Harness and the source are outside of AWS.
    REGISTRY_NAME: registry,
    HARNESS_URL: harness.url,
    SOURCE_REGISTRY: source.host,
  });
}, 300_000);
afterAll(async () => {
  await shell?.close();
  await world?.close();
});

/** Runs a block of the page, and returns its output. */
function follow(block = 'false # The page has no such block.'): Promise<string> {
  return shell.run(
    block
      .split('\n')
      .map((line) => instead.get(line) ?? line)
      .join('\n'),
  );
}

const copies = () => images.map((image) => world.target.storage.resolve(`mirror/${image.split(':')[0]}`, '1.18.22'));
const officials = images.map(() => expect.stringMatching(/^sha256:/));
/** The status and the report that `result` printed. */
function shown(output: string) {
  const [status, report] = JSON.parse(output) as [string, string];
  return { status, report: JSON.parse(report) as object };
}

describe('a walk through "Deploy to AWS" in README.md', () => {
  it('has no line in place of one that the page no longer has', () => {
    const lines = new Set(blocks.flatMap((block) => block.split('\n')));
    expect([...instead.keys()].filter((line) => !lines.has(line))).toEqual([]);
  });

  it('finds the tools, and gets the code', async () => {
    expect(await follow(tools)).toContain('000000000000');
    await follow(code);
  }, 120_000);

  it('stores the API key', async () => {
    const file = join(world.folder, clone, 'api-key.txt');
    writeFileSync(file, world.harness.apiKey);
    expect(await follow(key)).toContain('harness-ci-image-factory/api-key');
    expect(existsSync(file)).toBe(false);
  }, 120_000);

  it('deploys', async () => {
    await follow(deployment);
  }, 600_000);

  it('plans, which writes nothing', async () => {
    expect(shown(await follow(plan))).toMatchObject({ status: 'SUCCEEDED', report: { action: 'plan' } });
    expect(copies()).toEqual(images.map(() => undefined));
    expect(world.overrides()).toEqual({});
  }, 240_000);

  it('copies, and leaves Harness as it is', async () => {
    expect(shown(await follow(copy))).toMatchObject({ status: 'SUCCEEDED', report: { action: 'sync' } });
    expect(copies()).toEqual(officials);
    expect(world.overrides()).toEqual({});
  }, 240_000);

  it('lets the nodes pull', async () => {
    await shell.run(`aws iam create-role --role-name ${nodeRole} --assume-role-policy-document '{}'`);
    await follow(nodes);
    expect(await shell.run(`aws iam list-attached-role-policies --role-name ${nodeRole}`)).toContain('PullOnly');
  }, 120_000);

  it('ends with a switched Harness, and no block is left', async () => {
    expect(shown(await follow(change))).toMatchObject({ status: 'SUCCEEDED', report: { action: 'sync' } });
    expect(world.overrides()).toEqual(
      Object.fromEntries(Object.entries(fields).map(([field, image]) => [field, `${world.registry}/${image}`])),
    );
    expect(others).toEqual([]);
  }, 240_000);
});
