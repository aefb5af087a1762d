import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { type CommandResult, startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
beforeEach(async () => {
  setting = await startSetting();
});
afterEach(() => setting.close());

function version(environment: Record<string, string>): Promise<CommandResult> {
  return setting.factory(['--version'], { environment });
}

const printsItsVersion = { code: 0, stdout: `${packageJson.version}\n`, stderr: '' };

describe('the installed command', () => {
  it('keeps compiled code in the cache folder of the user', async () => {
    const cache = join(setting.folder, 'cache');
    expect(await version({ XDG_CACHE_HOME: cache })).toEqual(printsItsVersion);
    const kept = await readdir(join(cache, 'harness-ci-image-factory'), { recursive: true });
    expect(kept.length).toBeGreaterThan(1);
    expect(await version({ XDG_CACHE_HOME: cache })).toEqual(printsItsVersion);
  });

  it('runs without compiled code where it cannot keep any', async () => {
    const file = join(setting.folder, 'file');
    await writeFile(file, '');
    expect(await version({ XDG_CACHE_HOME: file })).toEqual(printsItsVersion);
  });

  it('runs without compiled code for a user without a home', async () => {
    expect(await version({ XDG_CACHE_HOME: '', HOME: '' })).toEqual(printsItsVersion);
  });
});
