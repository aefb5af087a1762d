import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { secureContextOf } from '../../functions/http/certificates.ts';
import { isHeld, replaceFile } from '../../infra/local/held-files.ts';
import { interruptions } from '../../infra/local/interruptions.ts';

const failure = (code: string) => Object.assign(new Error(code), { code });

describe('a file that another process has open on Windows', () => {
  /** Fails with each of the codes, one after the other, then renames. */
  const renaming = (...codes: string[]) => {
    const calls: string[] = [];
    const rename = async (from: unknown, to: unknown) => {
      calls.push(`${String(from)} → ${String(to)}`);
      const code = codes.shift();
      if (code !== undefined) throw failure(code);
    };
    return { calls, rename };
  };

  it('gets replaced when it is free', async () => {
    const { calls, rename } = renaming('EPERM', 'EACCES', 'EBUSY');
    await replaceFile('draft', 'object', { platform: 'win32', rename });
    expect(calls).toEqual(Array(4).fill('draft → object'));
  });

  it('fails the replacement after a second', async () => {
    const { calls, rename } = renaming(...Array<string>(20).fill('EBUSY'));
    await expect(replaceFile('draft', 'object', { platform: 'win32', rename })).rejects.toMatchObject({
      code: 'EBUSY',
    });
    expect(calls).toHaveLength(8);
  });

  it('fails the replacement at once for another reason, and on another system', async () => {
    for (const [platform, code] of [
      ['win32', 'ENOSPC'],
      ['linux', 'EACCES'],
      ['darwin', 'EPERM'],
    ] as const) {
      const { calls, rename } = renaming(code);
      await expect(replaceFile('draft', 'object', { platform, rename })).rejects.toMatchObject({ code });
      expect(calls).toHaveLength(1);
    }
  });

  it('counts as held on Windows only', () => {
    expect(
      ['win32', 'linux', 'darwin'].map((platform) => isHeld(failure('EPERM'), platform as NodeJS.Platform)),
    ).toEqual([true, false, false]);
  });
});

describe('signals that interrupt a run', () => {
  it('include Ctrl+Break and a closed console on Windows', () => {
    expect(interruptions('win32')).toEqual(['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP']);
  });

  it('leave SIGHUP alone on other systems, for nohup', () => {
    expect(interruptions('linux')).toEqual(['SIGINT', 'SIGTERM']);
    expect(interruptions('darwin')).toEqual(['SIGINT', 'SIGTERM']);
  });
});

describe('the folder of a registry with a port', () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certs-'));
  });
  afterEach(() => {
    Object.defineProperty(process, 'platform', platform);
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['win32', 'registry.test5000', 'registry.test:5000'],
    ['win32', 'registry.test443', 'registry.test'],
    ['linux', 'registry.test:5000', 'registry.test:5000'],
  ])('has on %s the name %s', (value, name, host) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'ca.crt'), 'no certificate');
    Object.defineProperty(process, 'platform', { ...platform, value });
    expect(() => secureContextOf(folder, host)).toThrow(expect.objectContaining({ code: 'ERR_CERTIFICATES' }));
    expect(secureContextOf(folder, 'other.test:5000')).toBeUndefined();
  });
});
