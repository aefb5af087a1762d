import { execFile } from 'node:child_process';
import { copyFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { type CommandResult, startSetting } from './factory-command.ts';

/** `BUNDLE_KILLS=50 npm test -- test/local/bundle-kills.test.ts` kills more often. */
const kills = Number(process.env['BUNDLE_KILLS'] ?? 3);
const images = ['harness/ci-addon:1.18.22', 'harness/ci-lite-engine:1.18.22'];
/** Some blobs are larger than what an export reads at once, and the last kill comes after it recorded its progress. */
const layerBytes = 4_400_000;
const outside = { REGISTRY_NAME: '' };
const inside = { SOURCE_REGISTRY: 'unreachable.invalid' };
const MiB = 1024 * 1024;

let setting: Awaited<ReturnType<typeof startSetting>>;
beforeEach(async () => {
  setting = await startSetting();
});
afterEach(() => setting.close());

const pathOf = (name: string) => join(setting.folder, name);
const reportOf = ({ stdout }: CommandResult) => JSON.parse(stdout) as Report;
const blobsRead = () =>
  setting.source.requests.filter(({ method, path }) => method === 'GET' && path.includes('/blobs/')).length;

/** Runs the command where its process is not the point. */
const exported = async (...args: string[]) =>
  expect(await setting.hosted(['export', ...args], outside)).toMatchObject({ code: 0 });
const verified = (name: string) => setting.hosted(['verify', '--from', name], inside);

/** Runs the command, and kills it when `isTime` says so. */
async function killed(
  args: string[],
  environment: Record<string, string>,
  isTime: () => boolean | Promise<boolean>,
): Promise<CommandResult> {
  let pid: number | undefined;
  let over = false;
  const killing = (async () => {
    while (!over && (pid === undefined || !(await isTime()))) await sleep(4);
    if (!over && pid !== undefined) process.kill(pid, 'SIGKILL');
  })();
  const result = await setting.factory(args, { environment, when: { printed: /\S/, act: (child) => (pid = child) } });
  over = true;
  await killing;
  return result;
}

/** Returns the bytes of the files of a bundle that are not complete. */
async function unfinished(name: string): Promise<number> {
  const files = (await readdir(setting.folder)).filter((file) => file.startsWith(name) && file.endsWith('.partial'));
  const sizes = await Promise.all(
    files.map((file) =>
      stat(pathOf(file)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Reads a tar, or its parts, in their order. */
async function joined(name: string): Promise<Buffer> {
  const files = (await readdir(setting.folder)).filter(
    (file) => file === name || /^\.\d+$/.test(file.slice(name.length)),
  );
  const own = files.filter((file) => file.startsWith(name)).toSorted();
  return Buffer.concat(await Promise.all(own.map((file) => readFile(pathOf(file)))));
}

/** The size of the bundle, and the blobs that its export reads. */
let size: number;
let all: number;
beforeAll(async () => {
  setting = await startSetting();
  pushSamples(setting.source, images, { layerBytes });
  await exported('--to', 'other.tar');
  ({ size } = await stat(pathOf('other.tar')));
  all = blobsRead();
  await setting.close();
  expect(size).toBeGreaterThan(48 * MiB);
});

describe.each([
  ['one tar', []],
  ['parts', ['--part-size', '8MB']],
])(`an export to %s that is killed ${kills} times`, (_, options) => {
  it(
    'leaves no bundle that is not whole, and ends with the bytes of an export that nobody disturbed',
    async () => {
      pushSamples(setting.source, images, { layerBytes });
      const name = 'killed.tar';
      const args = ['export', '--to', name, ...options];
      // The last kill comes late, so that there is something to go on with.
      const points = Array.from({ length: kills }, (__, i) => (i === kills - 1 ? 0.95 : Math.random() * 0.9) * size);
      const codes: (number | null)[] = [];
      for (const point of points) {
        const result = await killed(args, outside, async () => (await unfinished(name)) >= point);
        codes.push(result.code);
        if (result.code === null) {
          const checked = await verified(name);
          if (checked.code !== 0) expect(checked.stdout).toMatch(/there is no bundle|is cut off|part \d+ is missing/);
        } else expect(result.code).toBe(0);
      }
      const before = blobsRead();
      expect(await setting.hosted(args, outside)).toMatchObject({ code: 0 });
      expect(codes).toContain(null);
      // A kill that came too late let the export end: then the next one is new.
      if (codes.at(-1) === null) expect(blobsRead() - before).toBeLessThan(all);

      await promisify(execFile)('sha256sum', ['-c', 'killed.sha256'], { cwd: setting.folder });
      expect(await verified(name)).toMatchObject({ code: 0 });
      const left = (await readdir(setting.folder)).filter((file) => /\.partial$|part\.json$/.test(file));
      expect(left).toEqual([]);
      expect((await joined(name)).equals(await madeAgain())).toBe(true);
    },
    60_000 + kills * 20_000,
  );
});

/** Makes the killed bundle again in one go, by its document alone, and returns its bytes. */
async function madeAgain(): Promise<Buffer> {
  await copyFile(pathOf('killed.bundle.json'), pathOf('again.bundle.json'));
  const onePart = ['--part-size', String(size + MiB), '--parts', '1'];
  await exported('--plan', 'again.bundle.json', '--to', 'again.tar', ...onePart);
  return joined('again.tar');
}

describe(`an import that is killed ${kills} times`, () => {
  it(
    'writes no tag before its blobs, leaves Harness as it was or switches it as a whole, and ends well',
    async () => {
      pushSamples(setting.source, images, { layerBytes: 1_000_000 });
      await exported('--to', 'harness.tar');
      await setting.source.close();
      // So that an import takes longer than it takes to start.
      setting.target.quirks.latencyMs = 10;
      let died = 0;
      for (let round = 0; round < 4 * kills && died < kills; round++) {
        const environment = { ...inside, REGISTRY_NAME: `${setting.target.host}/mirror-${round}` };
        // Each round begins with an empty prefix, and with the images of Harness.
        const overrides = setting.overrides();
        for (const field of Object.keys(overrides)) delete overrides[field];
        const before = setting.target.requests.length;
        const point = before + 1 + Math.floor(Math.random() * 60);
        const args = ['import', '--from', 'harness.tar', '--json'];
        const result = await killed(args, environment, () => setting.target.requests.length >= point);
        expectWholeTags();
        const switched = Object.keys(setting.overrides()).length;
        expect([0, 5]).toContain(switched);
        if (result.code !== null) continue;
        died++;
        const again = reportOf(await setting.hosted(args, environment));
        expect(again.images.filter(({ error }) => error)).toEqual([]);
        expect(again).toMatchObject({ status: 'SUCCEEDED', totals: { failed: 0 } });
        expectWholeTags();
        for (const value of Object.values(setting.overrides())) expect(value).toContain(`/mirror-${round}/`);
        expect(Object.keys(setting.overrides())).toHaveLength(5);
      }
      expect(died).toBe(kills);
    },
    60_000 + kills * 20_000,
  );
});

/** Expects that every tag at the target leads to an image of which nothing is missing. */
function expectWholeTags(): void {
  const { storage } = setting.target;
  const missing = (repository: string, reference: string): string[] => {
    const content = storage.manifest(repository, reference)?.content;
    if (!content) return [`${repository} ${reference}`];
    const blobs = content.blobs.filter((digest) => !storage.blob(repository, digest));
    return [...blobs, ...content.children.flatMap((digest) => missing(repository, digest))];
  };
  for (const repository of storage.repositories())
    for (const tag of storage.tags(repository)) expect(missing(repository, tag)).toEqual([]);
}
