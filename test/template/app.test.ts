import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const outdir = mkdtempSync(join(tmpdir(), 'cdk-out-'));

/** Runs the app as `cdk` does, with nothing in the environment but `settings`. */
function app(settings: Record<string, string>, context: Record<string, unknown> = {}) {
  return spawnSync(process.execPath, ['infra/app.ts'], {
    cwd: root,
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
function variables(): Record<string, unknown> {
  const template = readFileSync(join(outdir, 'HarnessCiImageFactory.template.json'), 'utf8');
  const { Resources } = JSON.parse(template) as {
    Resources: Record<string, { Type: string; Properties: { Environment: { Variables: Record<string, unknown> } } }>;
  };
  const found = Object.values(Resources).find(({ Type }) => Type === 'AWS::Lambda::Function');
  return found?.Properties.Environment.Variables ?? {};
}

describe('the CDK app', () => {
  afterAll(() => rmSync(outdir, { recursive: true }));

  it('lists every problem of its settings at once, and deploys nothing', () => {
    const { status, stderr } = app({ REGISTRY_NAME: 'https://registry.example', MAX_CONCURRENCY: '41' });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^InvalidConfiguration: /);
    expect(stderr).toMatch(/REGISTRY_NAME: .*https:\/\/registry\.example/);
    expect(stderr).toMatch(/MAX_CONCURRENCY: .*41/);
    expect(readdirSync(outdir)).toEqual([]);
  });

  it('needs no settings, and takes no notice of the API key of a local run', () => {
    const { status, stderr } = app({ HARNESS_API_KEY: 'pat.secret.of.mine', ORG_ID: '' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(readdirSync(outdir)).toContain('HarnessCiImageFactory.template.json');
  });

  it('takes its settings as context as well, which counts for more, and names them so', () => {
    const settings = { REGISTRY_NAME: 'environment.example', ORG_ID: 'org1' };
    expect(app(settings, { registryName: 'context.example', maxConcurrency: 7 }).stderr).toBe('');
    expect(variables()).toMatchObject({ REGISTRY_NAME: 'context.example', ORG_ID: 'org1', MAX_CONCURRENCY: '7' });

    const { status, stderr } = app({ ORG_ID: 'org 1' }, { maxConcurrency: 41 });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^ {2}-c maxConcurrency: found "41"/m);
    expect(stderr).toMatch(/^ {2}ORG_ID: found "org 1"/m);
  });

  it('lists what does not go together, and deploys nothing', () => {
    const { status, stderr } = app(
      { REGISTRY_NAME: 'registry.example', ECR_KMS_KEY: 'alias/images' },
      { ecrTags: 'a=b' },
    );
    expect(status).toBe(2);
    expect(stderr).toMatch(/^ {2}ecrKmsKey: /m);
    expect(stderr).toMatch(/^ {2}ecrTags: /m);
  });

  it('deploys the certificates of this machine with the functions', () => {
    const certs = join(outdir, 'certs.d');
    mkdirSync(join(certs, 'registry.example'), { recursive: true });
    expect(app({ REGISTRY_CERTS: certs }).stderr).toBe('');
    expect(variables()).toMatchObject({ REGISTRY_CERTS: '/opt' });
    expect(readdirSync(outdir).some((name) => name.startsWith('asset.'))).toBe(true);
    const { status, stderr } = app({ REGISTRY_CERTS: `${certs}/none` });
    expect(status).toBe(2);
    expect(stderr).toContain(`${certs}/none is not a folder`);
  });
});
