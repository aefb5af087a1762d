import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CommandResult, startSetting } from '../factory-command.ts';

const token = 'token-of-the-webhook-0123456789';
const scope = { ORG_ID: 'default', PROJECT_ID: 'platform' };
const webhook = ['pipelines', '--url', 'https://abc.lambda-url.eu-west-1.on.aws/runs'];
const delegate = ['pipelines', '--via', 'delegate'];

let setting: Awaited<ReturnType<typeof startSetting>>;
/** Stands in for Secrets Manager, with the token of the webhook. */
let secrets: Server;
beforeEach(async () => {
  setting = await startSetting();
  secrets = createServer((_, response) => response.end(JSON.stringify({ SecretString: `{"current":"${token}"}` })));
  await new Promise<void>((resolve) => secrets.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  secrets.close();
  await setting.close();
});

/** Runs the command where its process is not the point. */
const hosted = (args: string[], more: Record<string, string> = {}) =>
  checked(more, (environment) => setting.hosted(args, environment));
/** Runs the command as a process of its own. */
const factory = (args: string[], more: Record<string, string> = {}) =>
  checked(more, (environment) => setting.factory(args, { environment }));

type Run = (environment: Record<string, string>) => Promise<CommandResult>;

/** Runs the command with the variables of the scope, and expects that it prints no secret. */
async function checked(more: Record<string, string>, run: Run): Promise<CommandResult> {
  const result = await run({
    ...scope,
    WEBHOOK_TOKEN_SECRET: 'the-token',
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(secrets.address() as AddressInfo).port}`,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'key',
    AWS_SECRET_ACCESS_KEY: 'secret',
    ...more,
  });
  for (const secret of [token, setting.harness.apiKey]) expect(result.stdout + result.stderr).not.toContain(secret);
  return result;
}

const account = () => {
  const state = setting.harness.state[setting.harness.accountId];
  if (!state) throw new Error('there is no account');
  return state;
};
/** Everything in the account, as text. */
const everything = () => JSON.stringify(account());
const secretValue = (id: string) => account().secrets.find(({ identifier }) => identifier === id)?.spec.value;

describe('pipelines --register', () => {
  it('creates everything, changes nothing the second time, updates what differs, and --unregister takes it back', async () => {
    const before = everything();
    const dry = await hosted([...webhook, '--register', '--dry-run', '--schedule', '0 2 * * *']);
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    expect(dry.stdout).toContain('create the pipeline harness_ci_image_factory of default/platform\n  + pipeline:\n');
    expect(dry.stdout).toContain('6 to create; nothing was changed');
    expect(everything()).toBe(before);

    const first = await factory([...webhook, '--register', '--schedule', '0 2 * * *']);
    expect(first).toMatchObject({ code: 0, stdout: 'registered in default/platform: 6 created\n' });
    expect(first.stderr).toContain('created the trigger harness_ci_image_factory_schedule of default/platform\n');
    expect(secretValue('image_factory_token')).toBe(token);
    const registered = everything();

    const second = await hosted([...webhook, '--register', '--schedule', '0 2 * * *']);
    expect(second.stdout).toMatch(/nothing to do\n$/);
    expect(everything()).toBe(registered);

    writeFileSync(join(setting.folder, 'input.json'), '{"infrastructure_type": "VM"}');
    const changed = [...webhook, '--register', '--input', 'input.json'];
    const diff = await hosted([...changed, '--dry-run']);
    expect(diff.stdout).toContain(
      '  -     value: <+input>.default(K8).allowedValues(K8,VM)'.replace('-     ', '-       '),
    );
    expect(diff.stdout).toContain('  +       value: <+input>.default(VM).allowedValues(K8,VM)');
    expect(diff.stdout).toContain('4 to update, 1 unchanged; nothing was changed');
    expect(everything()).toBe(registered);
    expect((await hosted(changed)).stdout).toBe('registered in default/platform: 4 updated, 1 unchanged\n');

    const kept = await hosted(['pipelines', '--unregister', '--dry-run']);
    expect(kept.stdout).toContain('6 to delete; nothing was changed');
    expect(await factory(['pipelines', '--unregister'])).toMatchObject({
      code: 0,
      stdout: 'unregistered from default/platform: 6 deleted\n',
    });
    expect(everything()).toBe(before);
    expect((await hosted(['pipelines', '--unregister'])).stdout).toBe('nothing to unregister\n');
  }, 120_000);

  it('prints one JSON document with --json: the changes, or the error', async () => {
    const json = async (...args: string[]) => {
      const { code, stdout } = await hosted([...args, '--json']);
      return { code, document: JSON.parse(stdout) as { changes?: { change: string }[] } };
    };
    const created = await json(...delegate, '--register');
    const place = { orgIdentifier: 'default', projectIdentifier: 'platform' };
    expect(created).toMatchObject({ code: 0, document: { status: 'SUCCEEDED', action: 'pipelines', changed: true } });
    expect(created.document.changes).toHaveLength(5);
    expect(created.document.changes?.[0]).toEqual({
      kind: 'secret',
      identifier: 'image_factory_key',
      ...place,
      change: 'create',
    });
    const idle = await json(...delegate, '--register');
    expect(idle.document).toMatchObject({ changed: false });
    expect(new Set(idle.document.changes?.map(({ change }) => change))).toEqual(new Set(['unchanged']));
    const dry = await json('pipelines', '--unregister', '--dry-run');
    expect(dry.document).toMatchObject({ changed: false });
    expect(new Set(dry.document.changes?.map(({ change }) => change))).toEqual(new Set(['delete']));
    expect((await json('pipelines', '--unregister')).document).toMatchObject({ changed: true });
    expect(await json('pipelines', '--unregister')).toMatchObject({
      code: 0,
      document: { status: 'SUCCEEDED', changes: [], changed: false },
    });
    expect(await json('pipelines', '--register', '--unregister')).toMatchObject({
      code: 2,
      document: { status: 'FAILED', action: 'pipelines', error: { name: 'InvalidInput' } },
    });
  }, 120_000);

  it('refuses objects of the same identifiers that it did not make, and leaves them when it unregisters', async () => {
    account().secrets.push({
      type: 'SecretText',
      name: 'Theirs',
      identifier: 'image_factory_key',
      orgIdentifier: 'default',
      projectIdentifier: 'platform',
      spec: { secretManagerIdentifier: 'harnessSecretManager', valueType: 'Inline', value: 'theirs' },
    });
    const before = everything();
    const refused = await hosted([...delegate, '--register']);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('the factory did not make the secret image_factory_key of default/platform');
    expect(everything()).toBe(before);
    expect((await hosted([...delegate, '--register', '--secret', 'image_factory_key'])).code).toBe(0);
    const removed = await hosted(['pipelines', '--unregister']);
    expect(removed.stdout).toBe('unregistered from default/platform: 4 deleted\n');
    expect(everything()).toBe(before);
  }, 60_000);

  it('stores the API key for runs on a delegate, and writes it again only when asked', async () => {
    expect((await hosted([...delegate, '--register'])).code).toBe(0);
    expect(secretValue('image_factory_key')).toBe(setting.harness.apiKey);
    const secret = account().secrets.find(({ identifier }) => identifier === 'image_factory_key');
    if (secret) secret.spec.value = 'rotated';
    expect((await hosted([...delegate, '--register'])).stdout).toMatch(/nothing to do\n$/);
    expect(secretValue('image_factory_key')).toBe('rotated');
    const renewed = await hosted([...delegate, '--register', '--renew-secret']);
    expect(renewed.stdout).toBe('registered in default/platform: 1 with a new value, 4 unchanged\n');
    expect(secretValue('image_factory_key')).toBe(setting.harness.apiKey);
  }, 60_000);
});

describe('the image connector', () => {
  const image = () => account().connectors.find(({ identifier }) => identifier === 'harnessImage');

  it('keeps its login and tags when it is adopted, and stays when the rest is unregistered', async () => {
    const before = JSON.stringify(image());
    expect(before).toContain('harnessImage');
    const args = [...delegate, '--register', '--image-connector'];
    const refused = await hosted(args);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('the factory did not make the connector harnessImage of the account');
    expect(refused.stderr).toContain('--adopt');
    expect(JSON.stringify(image())).toBe(before);
    expect((await hosted([...args, '--adopt'])).code).toBe(0);
    expect(image()?.spec).toMatchObject({
      dockerRegistryUrl: expect.stringMatching(/^https:.*\/mirror$/),
    });
    const removed = await hosted(['pipelines', '--unregister', '--image-connector']);
    expect(removed.code).toBe(0);
    expect(image()).toBeDefined();
  }, 60_000);

  it('comes where there is none, and deleted on request alone', async () => {
    account().connectors.length = 0;
    expect((await hosted([...delegate, '--register', '--image-connector'])).code).toBe(0);
    expect(image()).toMatchObject({ type: 'DockerRegistry', tags: { managed_by: 'harness-ci-image-factory' } });
    await hosted(['pipelines', '--unregister']);
    expect(image()).toBeDefined();
    const removed = await hosted(['pipelines', '--unregister', '--image-connector']);
    expect(removed.stdout).toBe('unregistered from default/platform: 1 deleted\n');
    expect(image()).toBeUndefined();
  }, 60_000);
});

describe('templates of Harness', () => {
  const stage = (identifier: string, spec: object) => ({
    template: {
      name: identifier,
      identifier,
      versionLabel: 'v1',
      type: 'Stage',
      orgIdentifier: 'default',
      projectIdentifier: 'platform',
      spec: { type: 'Custom', when: { pipelineStatus: 'Success', condition: '<+input>' }, ...spec },
    },
  });
  const script = (identifier: string, more: object = {}) => ({
    step: {
      type: 'ShellScript',
      name: identifier,
      identifier,
      timeout: '10m',
      spec: { shell: 'Bash', onDelegate: true, source: { type: 'Inline', spec: { script: 'true' } }, ...more },
    },
  });
  const input = (name: string) => ({ name, type: 'String', value: '<+input>' });
  const outputs = { outputVariables: [{ name: 'images', type: 'String', value: 'images' }] };
  const scan = stage('scan', {
    variables: [input('images')],
    spec: { execution: { steps: [script('passed', outputs)] } },
  });
  const build = stage('build', {
    variables: [input('image'), input('target')],
    strategy: '<+input>',
    spec: { execution: { steps: [script('build')] } },
  });
  // Without a label, the stable version.
  const names = { GATHER_SCAN_TEMPLATE: 'scan', BUILD_PUSH_TEMPLATE: 'build:v1' };

  async function store(template: { template: object }) {
    const { harness } = setting;
    const query = `accountIdentifier=${harness.accountId}&orgIdentifier=default&projectIdentifier=platform`;
    const response = await fetch(`${harness.url}/gateway/template/api/templates?${query}`, {
      method: 'POST',
      headers: { 'x-api-key': harness.apiKey, 'content-type': 'application/yaml' },
      body: JSON.stringify(template),
    });
    expect(await response.json()).toMatchObject({ status: 'SUCCESS' });
  }

  it('take the scan and the build over: plan, scan, build each image that passed, switch', async () => {
    await store(scan);
    await store(build);
    mkdirSync(join(setting.folder, 'out'));
    const { stdout, code } = await hosted(webhook, names);
    expect(code).toBe(0);
    const planned = '<+pipeline.stages.plan.spec.execution.steps.outcome.output.outputVariables.images>';
    const passed = '<+pipeline.stages.gather_scan.spec.execution.steps.passed.output.outputVariables.images>';
    expect(stdout).toContain('value: <+json.select("toSwitch", httpResponseBody)>');
    expect(stdout).toContain(`condition: ${planned} != ""\n`);
    expect(stdout).toContain(`condition: ${planned} != "" && ${passed} != ""\n`);
    expect(stdout).toContain(`image: <+${passed}.split(",")>`);
    expect(stdout).toContain('value: <+pipeline.variables.registry>/<+matrix.image>');
    expect(stdout).not.toContain('name: source');
    expect(stdout).toContain(`"include_fields":"${passed}","source_registry":"<+pipeline.variables.registry>"}`);
    expect((await hosted([...webhook, '--register'], names)).stdout).toContain('5 created');
    const idle = await hosted([...webhook, '--register'], names);
    expect(idle.stdout).toMatch(/nothing to do\n$/);
  }, 60_000);

  it('fail before anything is registered when they do not keep their contracts', async () => {
    await store(stage('scan', { spec: { execution: { steps: [script('other')] } } }));
    const before = everything();
    const broken = await hosted([...webhook, '--register'], { GATHER_SCAN_TEMPLATE: 'scan:v1' });
    expect(broken.code).toBe(2);
    expect(broken.stderr).toContain('the template scan of GATHER_SCAN_TEMPLATE does not keep its contract');
    expect(broken.stderr).toContain('a variable "images" with the value <+input>');
    expect(broken.stderr).toContain('a step "passed" with an output variable "images"');
    const missing = await hosted([...webhook, '--register'], { BUILD_PUSH_TEMPLATE: 'org.build' });
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('Harness has no template org.build, which BUILD_PUSH_TEMPLATE names');
    expect(everything()).toBe(before);
  }, 60_000);
});

describe('plan --list', () => {
  it('prints the images alone, for a step of a pipeline to pass on', async () => {
    const { stdout, code } = await hosted(['plan', '--list', 'toSwitch']);
    expect(code).toBe(0);
    expect(stdout.trim().split(',').toSorted()).toEqual([
      'harness/ci-addon:1.18.22',
      'harness/ci-lite-engine:1.18.22',
      'harness/sto-plugin:latest',
      'plugins/cache:1.10.12',
    ]);
    await hosted(['sync']);
    expect(await hosted(['plan', '--list', 'images'])).toMatchObject({ code: 0, stdout: '\n' });
  }, 60_000);

  it('prints nothing but the error when the plan fails', async () => {
    const wrong = { HARNESS_API_KEY: 'sat.embedded.wrong.key' };
    const { stdout, stderr, code } = await hosted(['plan', '--list', 'images'], wrong);
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
    expect(stderr).toContain('FAILED');
  }, 60_000);
});
