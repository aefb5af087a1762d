import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { available } from '../real-parts.ts';
import {
  command as dockerRegistry,
  type DockerRegistry,
  startDockerRegistry,
} from '../real-registry/docker-registry.ts';
import { type CommandResult, startSetting } from './factory-command.ts';

/** A registry that imports write to, and from which pieces get lost. */
interface Target {
  readonly host: string;
  lose(repository: string, kind: 'blobs' | 'manifests', digest: string): Promise<void> | void;
  /** Counts the requests that may write: a run that only looks makes none. */
  writes(): number;
}

const isWrite = ({ method }: { method: string }) => method !== 'GET' && method !== 'HEAD';
const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const reportOf = ({ stdout }: CommandResult) => JSON.parse(stdout) as Report;

let setting: Awaited<ReturnType<typeof startSetting>>;
let docker: DockerRegistry | undefined;
let prefix: string;
let runs = 0;

function embedded(): Target {
  const { storage, host, requests } = setting.target;
  return {
    host,
    lose(repository, kind, digest) {
      if (kind === 'blobs') storage.deleteBlob(repository, digest);
      else storage.deleteManifest(repository, digest);
    },
    writes: () => requests.filter(isWrite).length,
  };
}

function real(): Target {
  const registry = docker;
  if (!registry) throw new Error(`${dockerRegistry} is not running`);
  return {
    host: registry.host,
    async lose(repository, kind, digest) {
      const { status } = await fetch(`http://${registry.host}/v2/${repository}/${kind}/${digest}`, {
        method: 'DELETE',
      });
      expect(status).toBe(202);
    },
    writes: () => registry.requests.filter(isWrite).length,
  };
}

beforeAll(async () => {
  if (available(dockerRegistry)) docker = await startDockerRegistry();
});
afterAll(() => docker?.close());

const targets: [string, () => Target][] = [['an embedded registry', embedded]];
if (available(dockerRegistry)) targets.push([dockerRegistry, real]);

describe.each(targets)('an import to %s', (_, start) => {
  let target: Target;
  const repository = () => `${prefix}/harness/ci-addon`;
  const environment = () => ({ REGISTRY_NAME: `${target.host}/${prefix}`, SOURCE_REGISTRY: 'unreachable.invalid' });
  /** Runs the command where its process is not the point. */
  const hosted = (...args: string[]) => setting.hosted(args, environment());
  const importFrom = async (bundle: string, ...options: string[]) =>
    hosted('import', '--from', bundle, '--json', ...options);
  const exportTo = (bundle: string, ...options: string[]) =>
    setting.hosted(['export', '--to', bundle, ...options], { REGISTRY_NAME: '' });
  const look = (path: string) =>
    fetch(`http://${target.host}/v2/${repository()}/${path}`, { method: 'HEAD', headers: { accept } });

  async function read(reference: string): Promise<{ manifests?: { digest: string }[]; layers?: { digest: string }[] }> {
    const response = await fetch(`http://${target.host}/v2/${repository()}/manifests/${reference}`, {
      headers: { accept },
    });
    return response.json() as ReturnType<typeof read>;
  }

  /** Returns the first platform of the addon, and its own layer. */
  async function pieces(): Promise<{ platform: string; layer: string }> {
    const { manifests: [first] = [] } = await read('1.18.22');
    const platform = first?.digest ?? '';
    const { layers = [] } = await read(platform);
    // Those below it are of the base: other images have them too.
    return { platform, layer: layers.at(-1)?.digest ?? '' };
  }

  beforeEach(async () => {
    setting = await startSetting();
    prefix = `mirror-${++runs}`;
    target = start();
    // Pods can pull from there.
    const { state, accountId } = setting.harness;
    for (const { spec } of state[accountId]?.connectors ?? []) spec.dockerRegistryUrl = `http://${target.host}`;
    expect(await exportTo('harness.tar')).toMatchObject({ code: 0 });
    const first = await importFrom('harness.tar', '--receipt', 'receipt.json');
    expect(first).toMatchObject({ code: 0 });
    expect(reportOf(first)).toMatchObject({ harness: 'switched', totals: { copied: 4 } });
  });
  afterEach(() => setting.close());

  it('copies a layer and a platform again that the registry lost below their tag', async () => {
    const { platform, layer } = await pieces();
    await target.lose(repository(), 'blobs', layer);
    await target.lose(repository(), 'manifests', platform);
    expect([(await look(`blobs/${layer}`)).status, (await look(`manifests/${platform}`)).status]).toEqual([404, 404]);

    const planned = reportOf(await hosted('plan', '--from', 'harness.tar', '--json'));
    expect(planned.images.filter(({ status }) => status === 'planned').map(({ image }) => image)).toEqual([
      'harness/ci-addon:1.18.22',
    ]);
    const result = await importFrom('harness.tar');
    const report = reportOf(result);
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 0, repaired: 1, skipped: 3 } });
    expect(report.images.find(({ status }) => status === 'repaired')?.image).toBe('harness/ci-addon:1.18.22');
    expect([(await look(`blobs/${layer}`)).status, (await look(`manifests/${platform}`)).status]).toEqual([200, 200]);
    expect(reportOf(await importFrom('harness.tar'))).toMatchObject({ totals: { copied: 0, skipped: 4 } });
  });

  it('ends before any write when the registry lost a layer that the bundle leaves out', async () => {
    expect(await exportTo('delta.tar', '--base', 'receipt.json')).toMatchObject({ code: 0 });
    const { layer } = await pieces();
    await target.lose(repository(), 'blobs', layer);
    const before = target.writes();
    const refused = await importFrom('delta.tar', '--out', 'reports');
    expect(refused.code).toBe(1);
    expect(reportOf(refused).error).toMatchObject({
      name: 'BundleIncomplete',
      message: expect.stringContaining(layer),
    });
    expect(target.writes()).toBe(before);
    const needs = JSON.parse(await readFile(join(setting.folder, 'reports/needs.json'), 'utf8')) as object;
    expect(needs).toMatchObject({
      images: [{ image: expect.stringMatching(/^harness\/ci-addon:1\.18\.22@sha256:/) }],
      absent: [layer],
    });

    expect(await exportTo('patch.tar', '--images', 'reports/needs.json')).toMatchObject({ code: 0 });
    expect(reportOf(await importFrom('patch.tar'))).toMatchObject({ status: 'SUCCEEDED', totals: { repaired: 1 } });
    expect(reportOf(await importFrom('delta.tar'))).toMatchObject({ status: 'SUCCEEDED', totals: { skipped: 4 } });
    expect((await look(`blobs/${layer}`)).status).toBe(200);
  });
});
