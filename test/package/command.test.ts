import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { neededNode } from '../../infra/package/manifest.ts';
import { CertificateAuthority } from '../http/certificate-authority.ts';
import { startSetting } from '../local/factory-command.ts';
import { available } from '../real-parts.ts';
import { emptyFolder, install, pack, run } from './project.ts';

const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
/** Versions of Node.js. Each is an npm package for this platform. */
const served = { oldest: `${neededNode}.0`, next: '24.0.0' };
const refused = { ancient: '6.17.1', former: '20.20.2' };

let project: string;
let versions: string;
beforeAll(async () => {
  const packages = Object.entries({ ...served, ...refused }).map(([name, version]) => [
    name,
    `npm:node-${platform}@${version}`,
  ]);
  [project, versions] = await Promise.all([
    pack().then((tarball) => install({ 'harness-ci-image-factory': `file:${tarball}` })),
    install(Object.fromEntries(packages)),
  ]);
});

const nodeOf = (name: string) => join(versions, 'node_modules', name, 'bin/node');
const command = () => join(project, 'node_modules/.bin/harness-ci-image-factory');

describe.each(Object.entries(served))('the command on the %s Node.js that it serves, %s', (name) => {
  it('plans, copies, switches, verifies and resets, without a warning of Node.js', async () => {
    const setting = await startSetting({ node: nodeOf(name), command: command() });
    const overridden = () => Object.keys(setting.overrides()).length;
    const succeeds = async (action: string) => {
      const { stderr, ...result } = await setting.factory([action, '--yes', '--json']);
      expect(stderr).not.toMatch(/^\(node:/m);
      expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('"status": "SUCCEEDED"') });
    };
    try {
      expect(await setting.factory(['--version'])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
      await succeeds('plan');
      expect(overridden()).toBe(0);
      await succeeds('sync');
      expect(overridden()).toBe(5);
      await succeeds('sync');
      await succeeds('verify');
      await succeeds('reset');
      expect(overridden()).toBe(0);
      const { stdout } = await setting.factory(['history', '--json']);
      expect(JSON.parse(stdout)).toHaveLength(5);
    } finally {
      await setting.close();
    }
  });

  (available('openssl') ? it : it.skip)('trusts the CAs of REGISTRY_CERTS and NODE_EXTRA_CA_CERTS', async () => {
    const folder = emptyFolder();
    const authority = (of: string) => {
      mkdirSync(join(folder, of));
      return new CertificateAuthority(join(folder, of), of);
    };
    const [registry, extra, foreign] = [authority('registry'), authority('extra'), authority('foreign')];
    const servers = [registry, extra, foreign].map((by) => createServer(by.issue('registry.test')).listen(0));
    try {
      const ports = servers.map((server) => String((server.address() as AddressInfo).port));
      mkdirSync(join(folder, 'trusted/registry.test'), { recursive: true });
      writeFileSync(join(folder, 'trusted/registry.test/ca.crt'), registry.cert);
      const script = join(import.meta.dirname, 'trusted-hosts.ts');
      const env = { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, 'extra/ca.crt') };
      const args = ['--experimental-strip-types', '--no-warnings', script, join(folder, 'trusted'), ...ports];
      expect(await run(nodeOf(name), args, { cwd: folder, env })).toBe('trusted\ntrusted\nnot trusted\n');
    } finally {
      for (const server of servers) server.close();
    }
  });
});

describe.each(Object.entries(refused))('the command on the %s Node.js, %s', (name, version) => {
  it('ends with one line and exit code 2', async () => {
    const line = `factory needs Node.js ${neededNode} or newer; this is Node.js ${version} (${nodeOf(name)})\n`;
    const failure = run(nodeOf(name), [command(), 'plan'], { cwd: project });
    await expect(failure).rejects.toMatchObject({ cause: { code: 2 }, stderr: line, stdout: '' });
  });
});

it('npx finds the command, and starts it with the Node.js on PATH', async () => {
  const PATH = [dirname(nodeOf('oldest')), process.env['PATH']].join(delimiter);
  const npx = ['exec', '--offline', '--', 'harness-ci-image-factory', '--version'];
  expect(await run('npm', npx, { cwd: project, env: { ...process.env, PATH } })).toBe(`${packageJson.version}\n`);
});

/** The identifiers of the pipelines in the account. */
const pipelinesOf = ({ harness }: Awaited<ReturnType<typeof startSetting>>) =>
  (harness.state[harness.accountId]?.texts ?? [])
    .filter(({ kind }) => kind === 'pipeline')
    .map(({ identifier }) => identifier);

it('an empty directory, the tarball and a key are enough for a plan and two registered pipelines', async () => {
  const folder = emptyFolder();
  await run('npm', ['install', '--silent', '--no-audit', '--no-fund', await pack()], { cwd: folder });
  const installed = join(folder, 'node_modules/.bin/harness-ci-image-factory');
  const setting = await startSetting({ node: nodeOf('oldest'), command: installed });
  const pipelines = ['pipelines', '--via', 'delegate', '--register'];
  const environment = { ORG_ID: 'default', PROJECT_ID: 'platform' };
  try {
    const plan = await setting.factory(['plan']);
    expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining('harness/ci-addon:1.18.22') });
    const dryRun = await setting.factory([...pipelines, '--dry-run'], { environment });
    expect(dryRun).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing was changed') });
    expect(pipelinesOf(setting)).toEqual([]);
    expect(await setting.factory(pipelines, { environment })).toMatchObject({ code: 0 });
    expect(pipelinesOf(setting)).toEqual(['harness_ci_image_factory', 'harness_ci_image_factory_reset']);
  } finally {
    await setting.close();
  }
});

it('an installation of the package brings nothing else', () => {
  const packages = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'));
  expect(packages).toEqual(['harness-ci-image-factory']);
});
