import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { manifest } from '../../infra/package/manifest.ts';

const root = join(import.meta.dirname, '../..');
const step = z.object({ name: z.string().optional(), uses: z.string().optional(), run: z.string().optional() });
const job = z.object({
  needs: z.string().optional(),
  uses: z.string().optional(),
  environment: z.string().optional(),
  permissions: z.record(z.string(), z.string()).optional(),
  steps: z.array(step).default([]),
});
const workflow = z.object({
  on: z.record(z.string(), z.unknown()),
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(z.string(), job),
});
const read = (name: string) => workflow.parse(parse(readFileSync(join(root, '.github/workflows', name), 'utf8')));

describe('the workflow of releases', () => {
  const { on, permissions, jobs } = read('release.yml');
  const commands = (name: string) => (jobs[name]?.steps ?? []).flatMap(({ run }) => run ?? []);
  const script = (name: string, title: string) => jobs[name]?.steps.find((found) => found.name === title)?.run ?? '';
  const bash = (text: string, env: Record<string, string>, cwd = root) =>
    spawnSync('bash', ['-e', '-c', text], { cwd, env: { ...process.env, ...env }, encoding: 'utf8' });

  it('starts for tags of versions only', () => {
    expect(on).toEqual({ push: { tags: ['v*'] } });
  });

  it('publishes nothing before the checks of every change have passed', () => {
    expect(jobs['check']?.uses).toBe('./.github/workflows/ci.yml');
    expect(read('ci.yml').on).toHaveProperty('workflow_call');
    expect(['build', 'npm', 'github'].map((name) => jobs[name]?.needs)).toEqual(['check', 'build', 'npm']);
  });

  it('lets one job identify itself to npm, another write the release, and none do both', () => {
    expect(permissions).toEqual({ contents: 'read' });
    const granted = Object.entries(jobs).flatMap(([name, { permissions: more }]) => (more ? [[name, more]] : []));
    expect(granted).toEqual([
      ['npm', { 'id-token': 'write' }],
      ['github', { contents: 'write' }],
    ]);
  });

  it('runs no code of packages in the jobs that may publish', () => {
    for (const name of ['npm', 'github']) {
      expect(commands(name).join('\n')).not.toMatch(/npm (?:ci|install|run)|npx/);
      const uses = (jobs[name]?.steps ?? []).flatMap((found) => found.uses ?? []);
      expect(uses.filter((action) => !action.startsWith('actions/'))).toEqual([]);
    }
  });

  it('stores no token of npm', () => {
    expect(readFileSync(join(root, '.github/workflows/release.yml'), 'utf8')).not.toMatch(/secrets\.|NODE_AUTH_TOKEN/);
  });

  it('runs scripts that exist', () => {
    const scripts = commands('build').flatMap((text) =>
      [...text.matchAll(/npm run (\S+)/g)].map(([, name = '']) => name),
    );
    expect(scripts).toEqual(['release']);
    expect(Object.keys(packageJson.scripts)).toEqual(expect.arrayContaining(scripts));
  });

  it('names the repository in the package, as provenance demands', () => {
    const folder = mkdtempSync(join(tmpdir(), 'factory-release-'));
    try {
      cpSync(join(root, 'package.json'), join(folder, 'package.json'));
      const env = { GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'owner/name' };
      const named = bash(script('build', 'Name the repository, which provenance compares'), env, folder);
      expect(named).toMatchObject({ status: 0, stderr: '' });
      const source = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as typeof packageJson;
      const repository = { type: 'git', url: 'git+https://github.com/owner/name.git' };
      expect(manifest(source)).toEqual({ ...manifest(), repository });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    [`v${packageJson.version}`, 0, ''],
    ['v9.9.9', 1, `the tag is v9.9.9, and package.json has ${packageJson.version}\n`],
    [packageJson.version, 1, `the tag is ${packageJson.version}, and package.json has ${packageJson.version}\n`],
  ])('ends the build for the tag %s with exit code %i', (tag, status, stdout) => {
    const checked = bash(script('build', 'Check that the tag is the version'), { GITHUB_REF_NAME: tag });
    expect(checked).toMatchObject({ status, stdout });
  });

  it.each([
    ['v1.2.3', 'latest', '--latest'],
    ['v1.2.3-rc.1', 'next', '--prerelease'],
  ])('publishes %s as %s', (tag, npmTag, kind) => {
    const env = { GITHUB_REF_NAME: tag, GITHUB_REPOSITORY: 'owner/name' };
    // The commands print what they are called with.
    const print = 'npm() { echo npm "$@"; }; gh() { echo gh "$@"; }\n';
    const npm = bash(print + script('npm', 'Publish the package'), env);
    expect(npm.stdout).toMatch(/^npm publish \.\/release\/harness-ci-image-factory-\S+\.tgz /);
    expect(npm.stdout).toContain(`--provenance --access public --tag ${npmTag}\n`);
    const gh = bash(print + script('github', 'Create the release'), env);
    expect(gh.stdout).toContain(`gh release create ${tag} release/`);
    expect(gh.stdout).toContain(
      `--repo owner/name --verify-tag ${kind} --title ${tag} --notes-file release/CHANGES.md\n`,
    );
  });
});
