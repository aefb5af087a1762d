import { generateKeyPairSync, type KeyPairSyncResult } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { needsSchema } from '../../functions/settings/needs.ts';
import { startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
const pathOf = (name: string) => join(setting.folder, name);
/** Runs the command where its process is not the point. */
const hosted = (...args: string[]) => setting.hosted(args);

function newKeys(): KeyPairSyncResult<string, string> {
  return generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}

beforeEach(async () => {
  setting = await startSetting();
  const [own, other] = [newKeys(), newKeys()];
  await writeFile(pathOf('key.pem'), own.privateKey);
  await writeFile(pathOf('pub.pem'), own.publicKey);
  await writeFile(pathOf('other.pem'), other.publicKey);
});
afterEach(() => setting.close());

describe.each([
  ['a tar', 'harness.tar'],
  ['a folder', 'harness'],
])('a signed bundle in %s', (_, place) => {
  async function expectRefusal(key: string, reason: string): Promise<void> {
    for (const run of [
      hosted('verify', '--from', place, '--verify-key', key, '--json'),
      hosted('plan', '--from', place, '--verify-key', key, '--json'),
      hosted('import', '--from', place, '--verify-key', key, '--json'),
    ]) {
      const result = await run;
      expect(result).toMatchObject({ code: 1, stdout: expect.stringContaining('SignatureInvalid') });
      expect(result.stdout).toContain(reason);
    }
    expect(setting.target.storage.repositories()).toEqual([]);
    expect(setting.overrides()).toEqual({});
  }

  beforeEach(async () => {
    expect(await hosted('export', '--to', place, '--sign', 'key.pem')).toMatchObject({ code: 0 });
  });

  it('the key of a signed bundle lets it pass, and it is imported', async () => {
    expect(await hosted('verify', '--from', place, '--verify-key', 'pub.pem')).toMatchObject({ code: 0 });
    const imported = await hosted('import', '--from', place, '--verify-key', 'pub.pem');
    expect(imported).toMatchObject({ code: 0 });
    expect(Object.keys(setting.overrides())).toHaveLength(5);
  });

  it('another key refuses the bundle before anything is written', async () => {
    await expectRefusal('other.pem', 'harness.sig is not a signature of this bundle by the key other.pem');
  });

  it('a missing signature refuses the bundle when a key is given', async () => {
    await rm(pathOf('harness.sig'));
    await expectRefusal('pub.pem', 'the bundle has no signature: harness.sig is missing');
    expect(await hosted('import', '--from', place)).toMatchObject({ code: 0 });
  });

  it('an altered list of images refuses the bundle', async () => {
    const inside = place.endsWith('.tar') ? place : `${place}/bundle.json`;
    const bytes = await readFile(pathOf(inside));
    // Its time is in no digest: the signature alone protects it.
    const at = bytes.indexOf('"createdAt":"20') + '"createdAt":"20'.length;
    bytes[at] = bytes[at] === 0x39 ? 0x38 : 0x39;
    await writeFile(pathOf(inside), bytes);
    await expectRefusal('pub.pem', 'harness.sig is not a signature of this bundle by the key pub.pem');
  });
});

describe('an export without a key', () => {
  it('leaves no signature of the tar that it replaces', async () => {
    expect(await hosted('export', '--to', 'harness.tar', '--sign', 'key.pem')).toMatchObject({ code: 0 });
    expect(await hosted('export', '--to', 'harness.tar')).toMatchObject({ code: 0 });
    const checked = await hosted('verify', '--from', 'harness.tar', '--verify-key', 'pub.pem');
    expect(checked).toMatchObject({ code: 1, stdout: expect.stringContaining('harness.sig is missing') });
  });

  it('keeps the signature of a folder in which nothing changed', async () => {
    expect(await hosted('export', '--to', 'harness', '--sign', 'key.pem')).toMatchObject({ code: 0 });
    expect(await hosted('export', '--to', 'harness')).toMatchObject({ code: 0 });
    expect(await hosted('verify', '--from', 'harness', '--verify-key', 'pub.pem')).toMatchObject({ code: 0 });
  });
});

describe('two bundles whose files beside them have the same names', () => {
  it.each([
    ['a folder', 'harness', 'a tar', 'harness.tar', []],
    ['a tar', 'harness.tar', 'a folder', 'harness', []],
    ['a folder', 'harness/', 'the parts of a tar', 'harness.tar', ['--part-size', '1MiB']],
  ])('an export to %s %s is refused beside %s, which stays whole', async (_, place, __, first, options) => {
    expect(await hosted('export', '--to', first, '--sign', 'key.pem', ...options)).toMatchObject({ code: 0 });
    const before = await readdir(setting.folder);
    const refused = await hosted('export', '--to', place);
    expect(refused).toMatchObject({ code: 2, stdout: expect.stringMatching(`beside the bundle ${first}(\\.001)?:`) });
    expect(await readdir(setting.folder)).toEqual(before);
    expect(await hosted('verify', '--from', first, '--verify-key', 'pub.pem')).toMatchObject({ code: 0 });
  });
});

describe('keys of signatures', () => {
  it.each([
    ['--sign', ['export', '--to', 'x.tar', '--sign', 'missing.pem'], '--sign: cannot read the key missing.pem'],
    ['--sign', ['export', '--to', 'x.tar', '--sign', 'pub.pem'], 'pub.pem'],
    ['--verify-key', ['import', '--from', 'x.tar', '--verify-key', 'key.pem'], 'holds a private key'],
  ])('a key that cannot serve %s is bad configuration, and nothing is written', async (_, args, message) => {
    const result = await hosted(...args);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    await expect(readFile(pathOf('x.tar'))).rejects.toThrow('ENOENT');
  });
});

describe('options that would do nothing', () => {
  it.each([
    [
      ['verify', '--verify-key', 'missing.pem'],
      '--verify-key checks the signature of a bundle, and no bundle is named',
    ],
    [['plan', '--verify-key', 'pub.pem'], '--verify-key checks the signature of a bundle, and no bundle is named'],
    [['plan', '--verify-key', 'pub.pem', '--needs', 'n.json'], '--verify-key checks the signature of a bundle'],
    [['export', '--to', '-', '--sign', 'key.pem'], '--sign writes a file beside the bundle'],
  ])('%j is refused before anything starts', async (args, message) => {
    setting.harness.requests.length = 0;
    expect(await hosted(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
    expect(setting.harness.requests).toEqual([]);
  });

  it('the key is used where the input names the bundle', async () => {
    expect(await hosted('export', '--to', 'harness.tar')).toMatchObject({ code: 0 });
    await writeFile(pathOf('input.json'), '{"bundle": "harness.tar"}');
    const result = await hosted('verify', '--input', 'input.json', '--verify-key', 'pub.pem');
    expect(result).toMatchObject({ code: 1, stdout: expect.stringContaining('SignatureInvalid') });
  });

  it('--needs is refused without Harness, and lists nothing where the bundle has everything', async () => {
    expect(await hosted('export', '--to', 'harness.tar')).toMatchObject({ code: 0 });
    await writeFile(pathOf('needs.json'), 'of an earlier plan');
    const plan = ['plan', '--from', 'harness.tar', '--needs', 'needs.json'];
    expect(await setting.hosted(plan, { HARNESS_API_KEY: '' })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--needs writes the images that Harness needs, and HARNESS_API_KEY is missing'),
    });
    expect(await hosted(...plan)).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(pathOf('needs.json'), 'utf8'))).toEqual({ schema: needsSchema, images: [] });
  });
});
