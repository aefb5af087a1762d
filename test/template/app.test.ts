import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

const root = join(import.meta.dirname, '../..');
const outdir = temporaryFolder('cdk-out');

/** Runs the app as `cdk` does, with nothing in the environment but `settings`. */
function app(settings: Record<string, string>, context: Record<string, unknown> = {}) {
  return cdk(['infra/app.ts'], root, settings, context);
}

function cdk(command: string[], cwd: string, settings: object = {}, context: object = {}) {
  return spawnSync(process.execPath, command, {
    cwd,
    encoding: 'utf8',
    env: {
      ...settings,
      CDK_OUTDIR: outdir,
      // What `cdk synth` looks at too, and takes a second each time.
      CDK_VALIDATION: 'false',
      CDK_CONTEXT_JSON: JSON.stringify({ ...context, 'aws:cdk:bundling-stacks': [] }),
    },
  });
}

/** The variables of the functions in the template that the app wrote. */
function variables(stack = 'HarnessCiImageFactory'): Record<string, unknown> {
  const template = readFileSync(join(outdir, `${stack}.template.json`), 'utf8');
  const { Resources } = JSON.parse(template) as {
    Resources: Record<string, { Type: string; Properties: { Environment: { Variables: Record<string, unknown> } } }>;
  };
  const found = Object.values(Resources).find(({ Type }) => Type === 'AWS::Lambda::Function');
  return found?.Properties.Environment.Variables ?? {};
}

describe('the CDK app', () => {
  it('lists every problem at once, of whatever kind, by the names that were used, and deploys nothing', () => {
    const { status, stderr } = app(
      {
        MAX_CONCURRENCY: '41',
        ORG_ID: 'org1',
        REGISTRY_CERTS: `${outdir}/none`,
        // In no ECR: what follows has no effect.
        REGISTRY_NAME: 'registry.example',
        ECR_KMS_KEY: 'alias/images',
      },
      {
        orgId: 'org 1',
        ecrTags: 'a=b',
        registryNmae: 'registry.example',
        REGISTRY_NAME: 'registry.example',
        max_build_concurrency: '5',
        harness_platform_url: 'https://app.harness.io',
        colour: 'blue',
      },
    );
    expect(status).toBe(2);
    const [first, ...problems] = stderr.trimEnd().split('\n');
    expect(first).toMatch(/^InvalidConfiguration: .* 10 problems/);
    expect(problems.toSorted()).toEqual([
      expect.stringMatching(
        /^ {2}-c REGISTRY_NAME: found an unknown key \(did you mean "registryName"\?\); allowed: .*registryName/,
      ),
      expect.stringMatching(/^ {2}-c colour: found an unknown key; allowed: .*registryName/),
      expect.stringMatching(/^ {2}-c ecrTags: found a value; allowed: nothing when/),
      expect.stringMatching(
        /^ {2}-c harness_platform_url: found an unknown key \(here it is "harnessUrl"\); allowed: /,
      ),
      expect.stringMatching(
        /^ {2}-c max_build_concurrency: found an unknown key \(here it is "maxConcurrency"\); allowed: /,
      ),
      expect.stringMatching(/^ {2}-c orgId: found "org 1"/),
      expect.stringMatching(/^ {2}-c registryNmae: found an unknown key \(did you mean "registryName"\?\); allowed: /),
      expect.stringMatching(/^ {2}ECR_KMS_KEY: found a value; allowed: nothing when/),
      expect.stringMatching(/^ {2}MAX_CONCURRENCY: found "41"/),
      expect.stringMatching(/^ {2}REGISTRY_CERTS: found ".*none"; allowed: a folder/),
    ]);
    expect(readdirSync(outdir)).toEqual([]);
  });

  it('names the Node.js that it needs, where cdk runs another', () => {
    const { app: command } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { app: string };
    const [node, ...words] = command.split(' ');
    expect(node).toBe('node');
    const asked = join(outdir, 'asked.cjs');
    writeFileSync(asked, "globalThis.neededNode = '99.0';");
    const { status, stderr } = cdk(['-r', asked, ...words], root);
    expect(stderr).toMatch(/^factory needs Node\.js 99\.0 or newer; this is Node\.js [^\n]+\n$/);
    expect(status).toBe(2);
  });

  it("needs no settings, and takes no notice of the API key of a local run or of CDK's own context", () => {
    const ofCdk = { 'acknowledged-issue-numbers': [1], 'cli-telemetry': false, 'vpc-provider:account=1': {} };
    const { status, stderr } = app({ HARNESS_API_KEY: 'pat.secret.of.mine', ORG_ID: '' }, ofCdk);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(readdirSync(outdir)).toContain('HarnessCiImageFactory.template.json');
  });

  describe('with settings in the environment and in the context', () => {
    let output: { status: number | null; stderr: string };
    beforeAll(() => {
      const certs = join(outdir, 'certs.d');
      mkdirSync(join(certs, 'registry.example'), { recursive: true });
      const settings = { REGISTRY_NAME: 'environment.example', ORG_ID: 'org1', REGISTRY_CERTS: certs };
      const deployment = { webhook: 'on', webhookAllow: 'pins,platforms', scheduleInput: { soak_days: 30 } };
      output = app(settings, { registryName: 'context.example', maxConcurrency: 7, ...deployment });
    });

    it('prints nothing', () => {
      expect(output).toMatchObject({ status: 0, stderr: '' });
    });

    it('takes settings of the deployment as context, too', () => {
      const template = readFileSync(join(outdir, 'HarnessCiImageFactory.template.json'), 'utf8');
      expect(template).toContain('"WEBHOOK_ALLOW": "pins,platforms"');
      expect(template).toContain(String.raw`{\"soak_days\":30,`);
    });

    it('takes its settings as context as well, which counts for more', () => {
      expect(variables()).toMatchObject({ REGISTRY_NAME: 'context.example', ORG_ID: 'org1', MAX_CONCURRENCY: '7' });
    });

    it('deploys the certificates of this machine with the functions', () => {
      expect(variables()).toMatchObject({ REGISTRY_CERTS: '/opt' });
      expect(readdirSync(outdir).some((name) => name.startsWith('asset.'))).toBe(true);
    });
  });
});

describe('the construct', () => {
  const host = temporaryFolder('host');

  it('can be put into the stack of an app in another folder, as docs/deployment.md says', () => {
    const document = readFileSync(join(root, 'docs/deployment.md'), 'utf8');
    const [, source = ''] = /```ts\n(\/\/ app\.ts\n.+?)```/s.exec(document) ?? [];
    writeFileSync(join(host, 'app.ts'), source);
    writeFileSync(join(host, 'package.json'), '{"type":"module"}');
    // The repository in place of the package, and one CDK for both. test/package installs the package itself.
    mkdirSync(join(host, 'node_modules'));
    symlinkSync(root, join(host, 'node_modules/harness-ci-image-factory'));
    for (const name of ['aws-cdk-lib', 'constructs'])
      symlinkSync(join(root, 'node_modules', name), join(host, 'node_modules', name));
    const { status, stderr } = cdk(['app.ts'], host);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(variables('Platform')).toMatchObject({
      REGISTRY_NAME: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror',
    });
  });
});
