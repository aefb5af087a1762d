import { spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FileStore } from '../../infra/local/file-store.ts';
import { cache, command, installCommand } from './factory-command.ts';

const fixture = join(import.meta.dirname, '../state/fixtures/0.1.0');

let folder: string;
let state: string;
beforeAll(installCommand);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'factory-open-'));
  state = join(folder, 'state');
  await cp(fixture, state, { recursive: true });
  // The programs of Linux and of macOS. Each writes its arguments, one a line.
  await mkdir(join(folder, 'bin'));
  for (const name of ['xdg-open', 'open']) {
    const path = join(folder, 'bin', name);
    const text = `#!/bin/sh\nprintf '%s\\n' "$@" > '${folder}/arguments.new'\nmv '${folder}/arguments.new' '${folder}/arguments'\n`;
    await writeFile(path, text);
    await chmod(path, 0o755);
  }
});
afterEach(() => rm(folder, { recursive: true }));

async function report(args: readonly string[], path = `${join(folder, 'bin')}:/usr/bin:/bin`) {
  const all = [command, 'report', '--open', '--state', state, ...args];
  const child = spawn(process.execPath, all, {
    env: { HOME: folder, XDG_CACHE_HOME: cache, PATH: path },
    cwd: folder,
  });
  const result = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject);
  child.on('close', resolve);
  const code = await promise;
  return { code, stdout: result.stdout.trimEnd(), stderr: result.stderr };
}

/** Returns what the opener got. It may still run when the command has ended. */
async function openedWith(): Promise<string[]> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const text = await readFile(join(folder, 'arguments'), 'utf8').catch(() => undefined);
    if (text !== undefined) return text.trimEnd().split('\n');
    await sleep(25);
  }
  throw new Error('the opener was not called');
}

describe('factory report --open', () => {
  it('gives the opener of the system the address of the page that it wrote, and nothing else', async () => {
    const { stdout, code } = await report([]);
    expect(code).toBe(0);
    expect(stdout).toBe(new FileStore(state).locate('runs/third/report.html'));
    expect(await openedWith()).toEqual([pathToFileURL(stdout).href]);
    expect(await readFile(stdout, 'utf8')).toMatch(/^<!DOCTYPE html>/);
  });

  it('opens the page in the folder of --out', async () => {
    const { stdout } = await report(['--run', 'first', '--out', 'a folder']);
    expect(stdout).toBe(join(folder, 'a folder', 'report.html'));
    expect(await openedWith()).toEqual([pathToFileURL(stdout).href]);
  });

  it('runs nothing that the name of a run or a folder says', async () => {
    const store = new FileStore(state);
    const name = `-a"; touch ${folder}/harm; $(touch ${folder}/harm) '`;
    const document = JSON.parse(await readFile(store.locate('runs/first/report.json'), 'utf8')) as object;
    const body = Buffer.from(JSON.stringify({ ...document, runId: name }));
    await store.put(`runs/${encodeURIComponent(name)}/report.json`, body);
    const { stdout, code } = await report([`--run=${name}`]);
    expect(code).toBe(0);
    expect(stdout.startsWith(`${state}/runs/`)).toBe(true);
    const opened = await openedWith();
    expect(opened).toEqual([pathToFileURL(stdout).href]);
    expect(opened[0]).toMatch(/^file:\/\/\/\S+$/);
    await expect(readFile(join(folder, 'harm'))).rejects.toThrow('ENOENT');
  });

  it('warns where there is no opener, and prints the path all the same', async () => {
    const { stdout, stderr, code } = await report([], join(folder, 'none'));
    expect(code).toBe(0);
    expect(stdout).toBe(new FileStore(state).locate('runs/third/report.html'));
    expect(stderr).toContain(`Open ${stdout} in a browser.`);
  });
});
