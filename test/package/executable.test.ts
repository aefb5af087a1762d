import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { ownPlatform, platforms } from '../../infra/executable/node-binary.ts';
import { root } from '../../infra/package/root.ts';
import { startSetting } from '../local/factory-command.ts';
import { emptyFolder, node, run } from './project.ts';

const builder = join(root, 'infra/executable/main.ts');
const folder = join(root, 'dist/executable', ownPlatform);
const isWindows = process.platform === 'win32';
const executable = join(folder, isWindows ? 'factory.exe' : 'factory');

(platforms.some((one) => one === ownPlatform) ? describe : describe.skip)('the executable', () => {
  beforeAll(async () => {
    await node(builder, [], { cwd: root });
  });

  it('plans, copies, switches, verifies and resets without a Node.js, whatever NODE_OPTIONS says', async () => {
    const setting = await startSetting({ node: executable });
    const environment = { PATH: emptyFolder(), NODE_OPTIONS: '--no-such-option', XDG_CACHE_HOME: '' };
    const start = (...args: string[]) => setting.factory(args, { environment });
    try {
      expect(await start('--version')).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
      for (const action of ['plan', 'sync', 'verify', 'reset']) {
        const { stderr, ...result } = await start(action, '--yes', '--json');
        expect(stderr).not.toMatch(/^\(node:/m);
        expect(result).toEqual({ code: 0, stdout: expect.stringContaining('"status": "SUCCEEDED"') });
        expect(Object.keys(setting.overrides())).toHaveLength(['sync', 'verify'].includes(action) ? 5 : 0);
      }
      expect(JSON.parse((await start('history', '--json')).stdout)).toHaveLength(4);
      // The compiled code is in the file: no folder is made for it.
      expect(existsSync(join(setting.folder, '.cache'))).toBe(false);
    } finally {
      await setting.close();
    }
  });

  it('takes options of the command only, none of Node.js', async () => {
    const failure = run(executable, ['--eval', 'process.exit(0)'], { cwd: emptyFolder() });
    await expect(failure).rejects.toMatchObject({ cause: { code: 2 }, stderr: expect.stringContaining("'--eval'") });
  });

  it('comes with its licenses, those of Node.js and of the bundled packages included', () => {
    const file = isWindows ? 'factory.exe' : 'factory';
    const names = ['LICENSE', 'LICENSE-NODE.txt', 'THIRD-PARTY-LICENSES.txt', file];
    expect(readdirSync(folder).toSorted()).toEqual(names.toSorted());
    expect(readFileSync(join(folder, 'LICENSE-NODE.txt'), 'utf8')).toMatch(/^Node\.js is licensed/);
    expect(readFileSync(join(folder, 'THIRD-PARTY-LICENSES.txt'), 'utf8')).toMatch(/^undici \S+ \(MIT\)$/m);
  });
});

it('no executable is built for a platform without a Node.js in npm', async () => {
  const failure = node(builder, ['plan9-x64'], { cwd: root });
  await expect(failure).rejects.toMatchObject({
    stderr: expect.stringContaining('npm has a Node.js only for linux-arm64, linux-x64, win-x64'),
  });
});
