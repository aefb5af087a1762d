import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '../..');
const outdir = mkdtempSync(join(tmpdir(), 'cdk-out-'));

/** Runs the app as `cdk` does, with nothing in the environment but `settings`. */
function app(settings: Record<string, string>) {
  return spawnSync(process.execPath, ['infra/app.ts'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...settings, CDK_OUTDIR: outdir, CDK_CONTEXT_JSON: JSON.stringify({ 'aws:cdk:bundling-stacks': [] }) },
  });
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
});
