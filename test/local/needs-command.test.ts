import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Needs, needsSchema } from '../../functions/settings/needs.ts';
import type { Report } from '../../functions/state/documents.ts';
import { startSetting } from './factory-command.ts';

let setting: Awaited<ReturnType<typeof startSetting>>;
beforeEach(async () => {
  setting = await startSetting();
});
afterEach(() => setting.close());

describe('plan --needs', () => {
  it('writes the images that the Harness here needs, with their fields, and asks no registry', async () => {
    await setting.source.close();
    await setting.target.close();
    const input = JSON.stringify({ platforms: ['linux/amd64'], extra_images: ['harness/delegate:25.10.1'] });
    await writeFile(join(setting.folder, 'input.json'), input);
    const args = ['plan', '--needs', 'needs.json', '--input', 'input.json'];
    const { code, stdout, stderr } = await setting.hosted(args, { REGISTRY_NAME: '' });
    expect(stderr).toBe('reading the Harness configuration and the registries\n');
    expect(stdout).toMatch(/^plan \S+: SUCCEEDED \(nothing to do, 5 images needed\)/);
    expect(stdout).toMatch(/plugins\/cache:1\.10\.12\s+cacheGCSTag, cacheS3Tag/);
    expect(code).toBe(0);
    const needs = JSON.parse(await readFile(join(setting.folder, 'needs.json'), 'utf8')) as Needs;
    expect(needs.schema).toBe(needsSchema);
    expect(needs.platforms).toEqual(['linux/amd64']);
    expect(needs.images.map(({ image }) => image)).toEqual([
      'harness/ci-addon:1.18.22',
      'harness/ci-lite-engine:1.18.22',
      'harness/sto-plugin:latest',
      'plugins/cache:1.10.12',
      'harness/delegate:25.10.1',
    ]);
    expect(needs.images[3]?.roles).toEqual([
      { module: 'ci', infrastructureType: 'K8', field: 'cacheGCSTag' },
      { module: 'ci', infrastructureType: 'K8', field: 'cacheS3Tag' },
    ]);
    expect(needs.images[4]).toEqual({ image: 'harness/delegate:25.10.1' });
  });

  it('lists them in the report, and in a file beside it with --out', async () => {
    const { stdout, code } = await setting.hosted(['plan', '--needs', 'needs.json', '--json', '--out', 'reports']);
    expect(code).toBe(0);
    const { needed, bundle } = JSON.parse(stdout) as Report;
    expect(bundle).toEqual({ address: 'none' });
    expect(needed?.[0]).toEqual({
      image: 'harness/ci-addon:1.18.22',
      fields: [{ module: 'ci', infrastructureType: 'K8', field: 'addonTag' }],
    });
    expect(await readFile(join(setting.folder, 'reports/needs.json'), 'utf8')).toBe(
      await readFile(join(setting.folder, 'needs.json'), 'utf8'),
    );
  });

  it('ends with 2 when the file cannot be written, or the input has the key of an option', async () => {
    const missing = await setting.hosted(['plan', '--needs', 'missing/needs.json']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('--needs: cannot write missing/needs.json: no such file or directory (ENOENT)');
    await writeFile(join(setting.folder, 'input.json'), '{"bundle": "a.tar"}');
    const twice = await setting.hosted(['plan', '--needs', 'needs.json', '--input', 'input.json']);
    expect(twice.code).toBe(2);
    expect(twice.stderr).toContain('$.bundle: found "a.tar"; allowed: nothing');
  });
});
