import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import type { Report } from '../../functions/state/documents.ts';
import { available } from '../real-parts.ts';
import { type Factory, ownWarnings, startFactory } from '../tasks/factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';
import { command, startSetting } from './factory-command.ts';

const temporaryFolder = useTemporaryFolders();

/** The surroundings of a run: its folders, streams and Node.js version. */
describe('the command', () => {
  let setting: Awaited<ReturnType<typeof startSetting>>;
  beforeEach(async () => {
    setting = await startSetting();
  });
  afterEach(() => setting.close());

  const untouched = () => {
    expect(setting.harness.requests).toEqual([]);
    expect(setting.target.requests).toEqual([]);
  };

  describe('the report folder', () => {
    it('fails before anything starts when it cannot be created', async () => {
      await writeFile(join(setting.folder, 'file'), '');
      const { code, stderr } = await setting.hosted(['sync', '--out', 'file/reports']);
      expect(stderr).toContain('InvalidInput: cannot write reports to file/reports: not a directory (ENOTDIR)');
      expect(stderr).toMatch(/^Hint: .*--out\.$/m);
      expect(code).toBe(2);
      untouched();
    });

    it('causes only a warning when it cannot be written after a successful run', async () => {
      // A folder in the place of the file, which the look before the run does not see.
      await mkdir(join(setting.folder, 'reports/report.json'), { recursive: true });
      const { code, stdout } = await setting.hosted(['sync', '--json', '--out', 'reports']);
      expect(code).toBe(0);
      const report = JSON.parse(stdout) as Report;
      expect(report.status).toBe('SUCCEEDED');
      expect(ownWarnings(report)).toEqual([
        expect.stringMatching(/^cannot write reports\/report\.json: .+ \(E[A-Z]+\)$/),
      ]);
      expect(await readFile(join(setting.folder, 'reports/report.txt'), 'utf8')).toContain('4 images copied');
    });
  });

  describe('the state folder', () => {
    it.each(process.platform === 'linux' ? ['file', 'file/below', '/dev/full', '/proc/none'] : ['file'])(
      'refuses the state folder %s before anything starts',
      async (state) => {
        await writeFile(join(setting.folder, 'file'), '');
        const { code, stderr } = await setting.hosted(['sync', '--state', state]);
        expect(stderr).toMatch(/^StoreFailed: cannot write \S+: .+ \(E[A-Z]+\)$/m);
        expect(stderr).toMatch(/^Hint: .*--state\.$/m);
        expect(code).toBe(1);
        untouched();
      },
    );

    it('must be named by a user without a home, who needs a home for nothing else', async () => {
      const environment = { HOME: '', XDG_CACHE_HOME: '' };
      expect(await setting.factory(['--help'], { environment })).toMatchObject({ code: 0, stderr: '' });
      const without = await setting.hosted(['plan'], environment);
      expect(without.stderr).toContain('InvalidConfiguration: there is no folder for the state');
      expect(without.code).toBe(2);
      expect(await setting.hosted(['plan', '--state', 'here'], environment)).toMatchObject({ code: 0 });
    });
  });

  const isRoot = process.getuid?.() === 0;

  // Only root may become somebody else.
  (isRoot ? it : it.skip)('works for a user id without a name and a home, with the AWS SDK too', async () => {
    const installed = dirname(command);
    await Promise.all([chmod(setting.folder, 0o777), chmod(installed, 0o755), chmod(dirname(installed), 0o755)]);
    const { HOME: _home, XDG_CACHE_HOME: _cache, ...environment } = setting.environment;
    // Nobody answers there: what counts is that the SDK asks.
    const aws = {
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 's',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
      AWS_REGION: 'eu-west-1',
      AWS_MAX_ATTEMPTS: '1',
    };
    const run = async (more: Record<string, string>, ...args: string[]) => {
      const child = spawn(process.execPath, [command, ...args], {
        uid: 54_321,
        gid: 54_321,
        cwd: setting.folder,
        env: { ...environment, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return (await Promise.all([text(child.stdout), text(child.stderr)])).join('');
    };
    expect(await run({}, '--help')).toContain('Usage: factory');
    expect(await run({}, 'plan', '--state', 'here')).toContain('SUCCEEDED');
    const key = { HARNESS_API_KEY: '', HARNESS_API_KEY_SECRET: 'factory/key' };
    const asked = await run({ ...key, ...aws }, 'plan', '--state', 'here');
    expect(asked).toContain('cannot read the secret factory/key');
    expect(asked).toContain('ECONNREFUSED');
  });

  describe('output without a reader', () => {
    const switched = () => expect(Object.keys(setting.overrides())).toHaveLength(5);

    it.each([['stdout'], ['stderr'], ['stdout', 'stderr']] as ('stdout' | 'stderr')[][])(
      'does not end a run (%s %s)',
      async (...unread) => {
        const { code, stderr } = await setting.factory(['sync', '--json'], { unread });
        expect(code).toBe(0);
        expect(stderr).not.toContain('EPIPE');
        switched();
      },
    );

    (existsSync('/dev/full') ? it : it.skip)('reports a full disk, with the place of the report', async () => {
      const full = await open('/dev/full', 'w');
      try {
        const { code, stderr } = await setting.factory(['sync', '--json'], { stdout: full.fd });
        expect(code).toBe(0);
        const place = /cannot write to standard output: .* \(ENOSPC\); the report is (\S+)/.exec(stderr)?.[1] ?? '';
        expect(JSON.parse(await readFile(place, 'utf8'))).toMatchObject({ status: 'SUCCEEDED' });
        switched();
      } finally {
        await full.close();
      }
    });
  });

  describe('standard input', () => {
    const python = (script: string, ...args: string[]) =>
      spawn('python3', ['-c', script, ...args, process.execPath, command, 'sync', '--state', 'here'], {
        cwd: setting.folder,
        env: setting.environment,
        stdio: ['ignore', 'pipe', 'ignore'],
      });

    (available('python3') ? it : it.skip)('is waited for when it does not block', async () => {
      const script = `
import fcntl, os, subprocess, sys
r, w = os.pipe()
fcntl.fcntl(r, fcntl.F_SETFL, os.O_NONBLOCK)
log, err = os.pipe()
child = subprocess.Popen(sys.argv[1:] + ['--json', '--input', '-'], stdin=r)
os.close(r)
try:
    child.wait(1)
except subprocess.TimeoutExpired:
    os.write(w, b'{"modify_default": ')
    os.write(w, b'false}')
os.close(w)
sys.exit(child.wait())`;
      const report = JSON.parse(await text(python(script).stdout)) as Report;
      expect(report).toMatchObject({ status: 'SUCCEEDED', totals: { copied: 4 } });
      expect(setting.overrides()).toEqual({});
    });

    (available('python3') ? it : it.skip).each([
      ['y\\n', 'SUCCEEDED'],
      ['\\n', 'SKIPPED (the switch was not confirmed'],
      ['\\x04', 'SKIPPED (the switch was not confirmed'],
      ['\\x03', 'SKIPPED (the switch was not confirmed'],
    ])('answers the question on a terminal with %j', async (answer, outcome) => {
      const script = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen = b''
asked = False
while True:
    try:
        seen += os.read(terminal, 4096)
    except OSError:
        break
    if b'[y/N' in seen and not asked:
        asked = True
        os.write(terminal, sys.argv[1].encode().decode('unicode_escape').encode())
print(seen.decode())`;
      expect(await text(python(script, answer).stdout)).toContain(outcome);
    });
  });

  describe('an input', () => {
    const good = Buffer.from('{"modify_default": false}');

    it('may begin with a byte order mark', async () => {
      await writeFile(join(setting.folder, 'input.json'), Buffer.concat([Buffer.from('\u{feff}'), good]));
      expect(await setting.hosted(['plan', '--input', 'input.json'])).toMatchObject({ code: 0 });
    });

    it.each([
      ['UTF-16, not UTF-8', Buffer.from(`\u{feff}${good.toString()}`, 'utf16le')],
      ['UTF-16, not UTF-8', Buffer.from(good.toString(), 'utf16le')],
      ['not UTF-8', Buffer.from('{"pins": "\u00e9"}', 'latin1')],
      ['empty', Buffer.from('\n')],
      ['larger than 1 MiB', Buffer.alloc(1024 * 1024 + 1, ' ')],
    ])('fails when it is %s', async (what, bytes) => {
      await writeFile(join(setting.folder, 'input.json'), bytes);
      const { code, stderr } = await setting.hosted(['plan', '--input', 'input.json']);
      expect(stderr).toContain(`InvalidInput: input.json is ${what}`);
      expect(code).toBe(2);
      untouched();
    });
  });

  describe('a Node.js', () => {
    const pretending = (version: string) => {
      const versions = `{value:{...process.versions,node:${JSON.stringify(version)}}}`;
      return ['--import', `data:text/javascript,Object.defineProperty(process,"versions",${versions})`];
    };

    it.each(['20.20.2', '22.12.0'])('fails in one line if its version is %s', async (version) => {
      const { code, stdout, stderr } = await setting.factory(['plan'], { nodeOptions: pretending(version) });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toBe(`factory needs Node.js 22.13 or newer; this is Node.js ${version} (${process.execPath})\n`);
    });

    it.each(['22.13.0', '100.0.0'])('runs the command if its version is %s', async (version) => {
      expect(await setting.factory(['--version'], { nodeOptions: pretending(version) })).toMatchObject({ code: 0 });
    });
  });
});

describe('a store that fails when the run is over', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ folder: temporaryFolder('store') });
  });
  afterEach(() => factory.close());

  it.each([
    [/report\.json$/, 'the report was not stored: cannot write it'],
    [/inventory\.json$/, 'the copies were not recorded for a later prune: cannot write it'],
  ])('changes nothing about its outcome (%s)', async (key, warning) => {
    factory.store.onPut = async (put) => {
      if (!key.test(put)) return;
      await rm(factory.store.locate(put));
      throw new FactoryError('StoreFailed', 'cannot write it', { hint: 'Free space.' });
    };
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(report.totals.copied).toBe(report.totals.images);
    expect(report.warnings).toContain(warning);
    expect(factory.overrides()).toHaveProperty('addonTag', factory.copyOf('harness/ci-addon:1.18.22'));
  });

  it('appears as the failure, and not as a bug, when there is no report', async () => {
    factory.store.onPut = (put) => {
      if (put.endsWith('plan.json')) throw new FactoryError('StoreFailed', 'cannot write it', { hint: 'Free space.' });
    };
    expect(await factory.sync()).toMatchObject({
      status: 'FAILED',
      error: { name: 'StoreFailed', hint: 'Free space.' },
    });
  });
});
