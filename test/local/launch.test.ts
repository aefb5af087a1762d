import { chmod, lstat, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { type CommandResult, startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
let folder: string;
beforeEach(async () => {
  setting = await startSetting();
  folder = join(setting.folder, 'cache/harness-ci-image-factory/compiled');
});
afterEach(() => setting.close());

function factory(args: readonly string[], environment: Record<string, string> = {}): Promise<CommandResult> {
  return setting.factory(args, { environment: { XDG_CACHE_HOME: join(setting.folder, 'cache'), ...environment } });
}

const kept = () => readdir(folder).catch(() => []);

/** Moves a file out of the folder. */
async function moved(path: string): Promise<string> {
  const place = join(setting.folder, 'elsewhere');
  await rename(path, place);
  return place;
}

/** A file that is replaced gets another inode. */
async function theOnlyOne(): Promise<{ path: string; inode: number }> {
  const [name = '', ...others] = await kept();
  expect(others).toEqual([]);
  const path = join(folder, name);
  return { path, inode: (await stat(path)).ino };
}

describe('compiled code', () => {
  it('is kept by the first run and used by the next ones', async () => {
    await factory(['--version']);
    const first = await theOnlyOne();
    expect(await factory(['--version'])).toMatchObject({ code: 0, stderr: '' });
    // What V8 refuses is replaced.
    expect(await theOnlyOne()).toEqual(first);
  });

  it('is not readable for others, who could not change it either', async () => {
    await factory(['--version']);
    const { path } = await theOnlyOne();
    expect([(await stat(folder)).mode & 0o777, (await stat(path)).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  it('that V8 refuses is replaced', async () => {
    await factory(['--version']);
    const first = await theOnlyOne();
    expect(await factory(['--version'], { NODE_OPTIONS: '--stack-trace-limit=5' })).toMatchObject({ code: 0 });
    expect(await theOnlyOne()).not.toEqual(first);
  });

  it.each<[string, (bytes: Buffer) => Uint8Array]>([
    ['cut off', (bytes) => bytes.subarray(0, bytes.length / 2)],
    ['empty', () => new Uint8Array()],
    ['altered in one place', (bytes) => bytes.fill(0xff, 100_000, 100_040)],
  ])('that is %s is not given to V8', async (_, damage) => {
    await factory(['--version']);
    const { path, inode } = await theOnlyOne();
    const whole = await readFile(path);
    await writeFile(path, damage(Buffer.from(whole)));
    expect(await factory(['--version'])).toMatchObject({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
    expect((await theOnlyOne()).inode).not.toBe(inode);
  });

  it.each<[string, (path: string) => Promise<void>]>([
    ['in a file that others may write', (path) => chmod(path, 0o622)],
    ['in a file that others may read', (path) => chmod(path, 0o644)],
    ['behind a symbolic link', async (path) => symlink(await moved(path), path)],
  ])('that is %s is not given to V8', async (_, expose) => {
    await factory(['--version']);
    const { path } = await theOnlyOne();
    await expose(path);
    expect(await factory(['--version'])).toMatchObject({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
    // Replaced by a file of ours, as what V8 refuses is.
    const { mode } = await lstat(path);
    expect((mode & 0o170777).toString(8)).toBe('100600');
  });

  it('that lies in a folder of others is not given to V8', async () => {
    await factory(['--version']);
    const first = await theOnlyOne();
    await chmod(folder, 0o777);
    expect(await factory(['--version'])).toMatchObject({ code: 0, stderr: '' });
    expect((await theOnlyOne()).inode).not.toBe(first.inode);
  });

  it('of a run that failed makes way for that of one that succeeded', async () => {
    expect(await factory(['plan'], { HARNESS_API_KEY: 'pat.wrong.key.here' })).toMatchObject({ code: 1 });
    expect(await kept()).toEqual([expect.stringMatching(/-plan-part$/)]);
    expect(await factory(['plan'])).toMatchObject({ code: 0 });
    expect(await factory(['plan'])).toMatchObject({ code: 0 });
    expect(await kept()).toEqual([expect.stringMatching(/-plan-whole$/)]);
  });

  it('is not kept of bad input, nor after a mistyped command', async () => {
    expect(await factory(['plan'], { HARNESS_API_KEY: '' })).toMatchObject({ code: 2 });
    expect(await factory(['plam'])).toMatchObject({ code: 2 });
    expect(await kept()).toEqual([]);
  });

  it('of other versions is deleted', async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'command-OLD.cjs-v24.0.0-sync-whole'), '');
    await factory(['--version']);
    expect(await kept()).toEqual([expect.stringMatching(/-version-whole$/)]);
  });

  it('is done without where it cannot be kept', async () => {
    await writeFile(join(setting.folder, 'file'), '');
    expect(await factory(['--version'], { XDG_CACHE_HOME: join(setting.folder, 'file') })).toMatchObject({
      code: 0,
      stdout: `${packageJson.version}\n`,
      stderr: '',
    });
  });
});
