import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { parseBase, type Receipt } from '../../functions/bundle/receipt.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { type CommandResult, startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
beforeEach(async () => {
  setting = await startSetting();
});
afterEach(() => setting.close());

const outside = { REGISTRY_NAME: '' };
/** The variables of the side that cannot reach the sources. */
const inside = { SOURCE_REGISTRY: 'unreachable.invalid' };
const reportOf = ({ stdout }: CommandResult) => JSON.parse(stdout) as Report;
const pathOf = (name: string) => join(setting.folder, name);

/** Returns the digests of the layers of an image that the target has. */
function layersOf(repository: string, reference: string): string[] {
  const { storage } = setting.target;
  const { layers = [], manifests = [] } = JSON.parse(
    storage.manifest(repository, reference)?.bytes.toString() ?? '{}',
  ) as Record<'layers' | 'manifests', { digest: string }[] | undefined>;
  return [...layers.map(({ digest }) => digest), ...manifests.flatMap(({ digest }) => layersOf(repository, digest))];
}

/** Runs the command as a process of its own. */
const factory = (args: string[], environment: Record<string, string> = inside) =>
  setting.factory(args, { environment });
/** Runs the command where its process is not the point. */
const hosted = (args: string[], environment: Record<string, string> = inside) => setting.hosted(args, environment);

/** Exports what Harness wants, and shuts the source: from here on it is out of reach. */
async function exportAndShut(run = hosted): Promise<Report> {
  const result = await run(['export', '--to', 'harness.tar', '--json'], outside);
  expect(result).toMatchObject({ code: 0 });
  await setting.source.close();
  return reportOf(result);
}

describe('an air gap', () => {
  it('exports what Harness wants, imports it behind the gap, and switches Harness there', async () => {
    const exported = await exportAndShut(factory);
    expect(exported).toMatchObject({
      status: 'SUCCEEDED',
      action: 'export',
      harness: 'unchanged',
      bundle: { address: 'harness.tar', id: expect.stringMatching(/^[0-9a-f]{64}$/), bytes: expect.any(Number) },
      totals: { images: 4, copied: 4, failed: 0 },
    });
    expect(exported.images.map(({ status, target }) => [status, target])).toContainEqual([
      'exported',
      'docker.io/harness/ci-addon:1.18.22',
    ]);
    const verified = await hosted(['verify', '--from', 'harness.tar']);
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('(the bundle is complete)') });
    const planned = await hosted(['plan', '--from', 'harness.tar', '--json']);
    expect(reportOf(planned).images.map(({ status }) => status)).toEqual(Array(4).fill('planned'));
    expect(setting.target.storage.repositories()).toEqual([]);

    const imported = await factory(['import', '--from', 'harness.tar', '--json', '--receipt', 'receipt.json']);
    expect(imported).toMatchObject({ code: 0 });
    const report = reportOf(imported);
    expect(report).toMatchObject({ status: 'SUCCEEDED', action: 'import', harness: 'switched' });
    expect(report.images.map(({ status, source }) => [status, source])).toEqual(
      Array.from({ length: 4 }, () => ['imported', 'harness.tar']),
    );
    expect(setting.overrides()).toEqual({
      addonTag: `${setting.target.host}/mirror/harness/ci-addon:1.18.22`,
      liteEngineTag: `${setting.target.host}/mirror/harness/ci-lite-engine:1.18.22`,
      cacheGCSTag: `${setting.target.host}/mirror/plugins/cache:1.10.12`,
      cacheS3Tag: `${setting.target.host}/mirror/plugins/cache:1.10.12`,
      securityTag: `${setting.target.host}/mirror/harness/sto-plugin:latest`,
    });
    const receipt = JSON.parse(await readFile(pathOf('receipt.json'), 'utf8')) as Receipt;
    expect(receipt.bundle).toBe(exported.bundle?.id);
    expect(receipt.repositories.map(({ repository }) => repository)).toContain('mirror/harness/ci-addon');
    const before = setting.target.requests.length;
    const again = reportOf(await hosted(['import', '--from', 'harness.tar', '--json', '--receipt', 'again.json']));
    expect(again).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 0, skipped: 4 }, harness: 'unchanged' });
    const looks = setting.target.requests.slice(before).filter(({ path }) => path.includes('/blobs/'));
    expect(new Set(looks.map(({ method, path }) => `${method} ${path}`)).size).toBe(looks.length);
    expect(looks.length).toBeGreaterThan(0);
    const secondReceipt = JSON.parse(await readFile(pathOf('again.json'), 'utf8')) as Receipt;
    expect(secondReceipt.repositories).toEqual(receipt.repositories);
  });

  it('pushes and verifies without a key of Harness, and ends', async () => {
    await exportAndShut();
    const keyless = { ...inside, HARNESS_API_KEY: '' };
    const result = await factory(['import', '--from', 'harness.tar', '--receipt', 'receipt.json'], keyless);
    expect(result.stdout).toMatch(/^import \S+: SUCCEEDED \(4 images imported, 0 fields switched\)/);
    expect(result.code).toBe(0);
    expect(setting.target.storage.resolve('mirror/harness/ci-addon', '1.18.22')).toMatch(/^sha256:/);
    expect(setting.overrides()).toEqual({});
    expect(JSON.parse(await readFile(pathOf('receipt.json'), 'utf8'))).toMatchObject({
      repositories: expect.any(Array),
    });
  });

  it('exports a list of images without Harness, and to a pipe', async () => {
    await writeFile(pathOf('images.txt'), 'harness/ci-addon:1.18.22 # addon\nplugins/cache:1.10.12\n');
    const keyless = { ...outside, HARNESS_API_KEY: '' };
    const result = await hosted(['export', '--to', 'some.tar', '--images', 'images.txt', '--json'], keyless);
    expect(reportOf(result).images.map(({ image }) => image)).toEqual([
      'harness/ci-addon:1.18.22',
      'plugins/cache:1.10.12',
    ]);
    expect(setting.harness.requests).toEqual([]);
    expect((await readFile(pathOf('some.bundle.json'), 'utf8')).includes(setting.harness.accountId)).toBe(false);
  });

  it('switches only the fields whose image the bundle holds, with their counterparts, and lists what it lacks', async () => {
    await exportAndShut();
    setting.harness.setDefault('ci', 'K8', 'addonTag', 'harness/ci-addon:1.18.27');
    const report = reportOf(await hosted(['import', '--from', 'harness.tar', '--json', '--out', 'reports']));
    expect(report.status).toBe('SUCCEEDED');
    expect(Object.keys(setting.overrides()).toSorted()).toEqual(['cacheGCSTag', 'cacheS3Tag', 'securityTag']);
    expect(report.needed).toEqual([
      {
        image: 'harness/ci-addon:1.18.27',
        fields: [{ module: 'ci', infrastructureType: 'K8', field: 'addonTag' }],
      },
    ]);
    expect(JSON.parse(await readFile(pathOf('reports/needs.json'), 'utf8'))).toMatchObject({
      images: [{ image: 'harness/ci-addon:1.18.27' }],
    });
  });
});

describe('files that a run leaves for the other side', () => {
  it.each([
    ['nodir/receipt.json', /--receipt: cannot write nodir\/receipt\.json: no such file or directory \(ENOENT\)/],
    ['folder', /--receipt: cannot write folder: it is a folder/],
    ['file/receipt.json', /--receipt: cannot write file\/receipt\.json: not a directory \(ENOTDIR\)/],
  ])('refuse the receipt %s before the first write', async (receipt, message) => {
    await mkdir(pathOf('folder'));
    await writeFile(pathOf('file'), '');
    await exportAndShut();
    setting.harness.requests.length = 0;
    const result = await hosted(['import', '--from', 'harness.tar', '--receipt', receipt, '--json']);
    expect(result).toMatchObject({ code: 2, stdout: expect.stringMatching(message) });
    expect(setting.harness.requests).toEqual([]);
    expect(setting.target.requests).toEqual([]);
  });

  it('cause only a warning after the run, which names where the receipt is', async () => {
    await exportAndShut();
    // A folder in the place of the file, which the look before the run does not see.
    const when = { printed: /switching Harness/, act: () => mkdirSync(pathOf('receipt.json')) };
    const args = ['import', '--from', 'harness.tar', '--receipt', 'receipt.json', '--json', '--out', 'reports'];
    const result = await setting.hosted(args, inside, when);
    expect(result).toMatchObject({ code: 0 });
    const report = reportOf(result);
    expect(report).toMatchObject({ status: 'SUCCEEDED', harness: 'switched' });
    const pattern = /^--receipt: cannot write receipt\.json: .+ \(E[A-Z]+\); (\S+) has the same$/;
    expect(report.warnings).toContainEqual(expect.stringMatching(pattern));
    expect(JSON.parse(await readFile(pathOf('reports/report.json'), 'utf8'))).toEqual(report);
    const [, place = ''] =
      report.warnings?.flatMap((warning) => [pattern.exec(warning) ?? []]).find(([all]) => all) ?? [];
    const { base } = parseBase(await readFile(place), place);
    expect(base).toEqual({ id: report.bundle?.id, kind: 'receipt' });
  });
});

describe('a delta', () => {
  /** Exports, imports, publishes a new version, and exports what the receipt does not have. */
  async function exportDelta(): Promise<Report> {
    expect(await hosted(['export', '--to', 'first.tar', '--json'], outside)).toMatchObject({ code: 0 });
    const first = await hosted(['import', '--from', 'first.tar', '--json', '--receipt', 'receipt.json']);
    expect(first).toMatchObject({ code: 0 });
    return reportOf(await hosted(['export', '--to', 'delta.tar', '--base', 'receipt.json', '--json'], outside));
  }

  it('leaves out what the receipt has, and imports where the registry still has it', async () => {
    const delta = await exportDelta();
    expect(delta.status).toBe('SUCCEEDED');
    const [whole, small] = [await stat(pathOf('first.tar')), await stat(pathOf('delta.tar'))];
    expect(small.size).toBeLessThan(whole.size / 2);
    const report = reportOf(await hosted(['import', '--from', 'delta.tar', '--json']));
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { skipped: 4 } });
  });

  it('refuses before any write when the registry lost what it leaves out, and takes a patch of the images that lack it', async () => {
    await exportDelta();
    const repository = 'mirror/harness/ci-addon';
    const { storage } = setting.target;
    // Other images have the layers of the base too.
    const isOwn = (digest: string) =>
      storage.repositories().every((name) => name === repository || !storage.blob(name, digest));
    const lost = layersOf(repository, '1.18.22').find(isOwn) ?? '';
    storage.deleteTag(repository, '1.18.22');
    storage.deleteBlob(repository, lost);
    const before = setting.target.requests.length;
    const refused = await hosted(['import', '--from', 'delta.tar', '--json', '--out', 'reports']);
    expect(refused.code).toBe(1);
    expect(reportOf(refused).error).toMatchObject({
      name: 'BundleIncomplete',
      message: expect.stringContaining(`1 blobs that the registry does not have, of 1 images: ${lost}`),
    });
    const sent = setting.target.requests.slice(before).filter(({ method }) => method !== 'GET' && method !== 'HEAD');
    expect(sent).toEqual([]);
    expect(JSON.parse(await readFile(pathOf('reports/needs.json'), 'utf8'))).toMatchObject({
      images: [{ image: expect.stringMatching(/^harness\/ci-addon:1\.18\.22@sha256:/) }],
      absent: [lost],
    });
    const patch = await hosted(['export', '--images', 'reports/needs.json', '--to', 'patch.tar', '--json'], outside);
    expect(reportOf(patch)).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 1 } });
    expect(reportOf(await hosted(['import', '--from', 'patch.tar', '--json']))).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('mounts what it leaves out from another repository that the receipt names', async () => {
    await exportDelta();
    const { storage } = setting.target;
    const repository = 'mirror/harness/ci-addon';
    const layers = layersOf(repository, '1.18.22');
    // Another prefix of the registry has the layers too, and its import has noted them.
    const elsewhere = { ...inside, REGISTRY_NAME: `${setting.target.host}/other` };
    expect(await hosted(['import', '--from', 'first.tar'], elsewhere)).toMatchObject({ code: 0 });
    storage.deleteRepository(repository);
    const before = setting.target.requests.length;
    const report = reportOf(await hosted(['import', '--from', 'delta.tar', '--json']));
    expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 1, skipped: 3 } });
    const mounts = setting.target.requests
      .slice(before)
      .filter(({ method, query }) => method === 'POST' && query.includes('from=other'));
    expect(mounts.length).toBeGreaterThan(0);
    for (const digest of layers) expect(storage.blob(repository, digest)).toBeDefined();
  });

  it('names an older bundle as assumed where nobody brought a receipt', async () => {
    expect(await hosted(['export', '--to', 'first.tar'], outside)).toMatchObject({ code: 0 });
    const options = ['--to', 'delta.tar', '--base', 'first.bundle.json', '--json'];
    const delta = reportOf(await hosted(['export', ...options], outside));
    const document = JSON.parse(await readFile(pathOf('delta.bundle.json'), 'utf8')) as {
      base: object[];
      absent: object[];
      images: object[];
    };
    expect(document.base).toEqual([{ id: expect.stringMatching(/^[0-9a-f]{64}$/), kind: 'assumed' }]);
    expect(document.images).toHaveLength(4);
    expect(document.absent.length).toBeGreaterThan(4);
    expect(delta.bundle?.bytes).toBeLessThan(20_000);
  });
});

describe('a run that ends early', () => {
  it('ends well when an import that was killed is started again', async () => {
    pushSamples(setting.source, ['harness/ci-addon:1.18.22'], { layerBytes: 2_000_000 });
    await exportAndShut();
    // So that the import takes longer than what the kill waits.
    setting.target.quirks.latencyMs = 10;
    const killed = await setting.factory(['import', '--from', 'harness.tar'], {
      environment: inside,
      when: { printed: /copying harness\/ci-addon/, act: (pid) => setTimeout(() => process.kill(pid, 'SIGKILL'), 20) },
    });
    expect(killed.code).toBe(null);
    setting.target.quirks.latencyMs = 0;
    expect(setting.overrides()).toEqual({});
    const again = reportOf(await hosted(['import', '--from', 'harness.tar', '--json']));
    expect(again.images.filter(({ error }) => error)).toEqual([]);
    expect(again).toMatchObject({ status: 'SUCCEEDED', harness: 'switched', totals: { failed: 0 } });
    expect(Object.keys(setting.overrides())).toHaveLength(5);
  }, 120_000);

  it('rolls Harness back when an image is no longer there after the switch of an import', async () => {
    await exportAndShut();
    const { storage } = setting.target;
    const lose = () => storage.deleteTag('mirror/harness/ci-addon', '1.18.22');
    const when = { printed: /switching Harness/, act: lose };
    const { code, stdout } = await setting.hosted(['import', '--from', 'harness.tar', '--json'], inside, when);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { name: 'VerificationFailed' }, harness: 'rolled-back' });
    expect(setting.overrides()).toEqual({});
    expect(reportOf(await hosted(['import', '--from', 'harness.tar', '--json']))).toMatchObject({
      harness: 'switched',
    });
  }, 120_000);

  it('lets one import at a time write to an account, and without Harness to a registry', async () => {
    await exportAndShut();
    const two = (environment: Record<string, string>) =>
      Promise.all([1, 2].map(() => factory(['import', '--from', 'harness.tar', '--json'], environment)));
    for (const environment of [{ ...inside, HARNESS_API_KEY: '' }, inside]) {
      const statuses = (await two(environment)).map((result) => reportOf(result).status);
      expect(statuses).toContain('SUCCEEDED');
      expect(statuses.filter((status) => status === 'FAILED')).toEqual([]);
    }
  });
});

describe('an export', () => {
  it('writes one bundle with the same id twice', async () => {
    expect(await hosted(['export', '--to', 'a.tar'], outside)).toMatchObject({ code: 0 });
    expect(await hosted(['export', '--to', 'b.tar'], outside)).toMatchObject({ code: 0 });
    const [a, b] = await Promise.all(['a', 'b'].map((name) => readFile(pathOf(`${name}.bundle.json`), 'utf8')));
    expect(idOf(a)).toBe(idOf(b));
  });

  it('writes a stream to standard output, and its report to standard error or a folder', async () => {
    const file = await open(pathOf('streamed.tar'), 'w');
    try {
      const options = { environment: outside, stdout: file.fd };
      const result = await setting.factory(['export', '--to', '-', '--out', 'reports'], options);
      expect(result.code).toBe(0);
      expect(result.stderr).toContain('4 images exported');
    } finally {
      await file.close();
    }
    expect(await hosted(['verify', '--from', 'streamed.tar'])).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(pathOf('reports/report.json'), 'utf8'))).toMatchObject({ status: 'SUCCEEDED' });
  });

  it('writes no bundle when an image is at no source', async () => {
    await writeFile(pathOf('images.txt'), 'harness/ci-addon:1.18.22\nharness/missing:1\n');
    const result = await hosted(['export', '--to', 'a.tar', '--images', 'images.txt', '--json'], outside);
    expect(result.code).toBe(1);
    expect(reportOf(result).error).toMatchObject({
      name: 'ImagesFailed',
      message: '1 of 2 images cannot be exported: harness/missing:1',
    });
    await expect(stat(pathOf('a.bundle.json'))).rejects.toThrow('ENOENT');
  });

  it('cuts a tar into parts whose sums hold', async () => {
    pushSamples(setting.source, ['harness/ci-addon:1.18.22'], { layerBytes: 3_000_000 });
    expect(await hosted(['export', '--to', 'cut.tar', '--part-size', '1MiB'], outside)).toMatchObject({ code: 0 });
    const { stdout } = await promisify(execFile)('sha256sum', ['-c', 'cut.sha256'], { cwd: setting.folder });
    expect(stdout).toContain('cut.tar.002: OK');
    expect(await hosted(['verify', '--from', 'cut.tar'])).toMatchObject({ code: 0 });
    await rm(pathOf('cut.tar.002'));
    const missing = await hosted(['verify', '--from', 'cut.tar']);
    expect(missing).toMatchObject({ code: 1, stdout: expect.stringContaining('part 2 is missing') });
  });
});

function idOf(document = '{}'): unknown {
  return (JSON.parse(document) as { id?: unknown }).id;
}
