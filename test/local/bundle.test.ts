import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSetting } from './factory-command.ts';

describe('the command as it is installed', () => {
  // Outside the project, so that nothing can be taken from its packages.
  const folder = mkdtempSync(join(tmpdir(), 'factory-installed-'));
  let setting: Awaited<ReturnType<typeof startSetting>>;
  beforeAll(async () => {
    const bundle = join(import.meta.dirname, '../../infra/local/bundle.ts');
    const built = spawnSync(process.execPath, [bundle, folder], { encoding: 'utf8' });
    expect(built.stderr).toBe('');
    setting = await startSetting(join(folder, 'factory.mjs'));
  });
  afterAll(async () => {
    await setting.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('runs a whole sync, and a verify, with nothing but Node.js', async () => {
    const sync = await setting.factory(['sync', '--json']);
    expect(sync.stderr).toContain('copied harness/ci-addon:1.18.22');
    expect(JSON.parse(sync.stdout)).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 4 } });
    expect((await setting.factory(['verify'])).code).toBe(0);
  });
});
