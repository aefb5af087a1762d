import { execFile } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from '@jest/globals';

/** Runs the script of `npm start`. Returns its exit code and both outputs. */
function start(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = join(import.meta.dirname, '../../infra/local/embedded/main.ts');
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

it('npm start runs all four actions against a profile whose connector has the prefix', async () => {
  const { code, stdout } = await start('--profile', 'saas-2023');
  expect(stdout).toMatch(/^Embedded Harness saas-2023, with \d+ sample images at three sources:\n/);
  const [, target] = /target, empty +(\S+)/.exec(stdout) ?? [];
  expect(stdout).toContain(`account.harnessImage  http://${target}\n`);
  expect(stdout.match(/: SUCCEEDED \(/g)).toHaveLength(4);
  expect(stdout).toContain('All four runs succeeded.');
  expect(code).toBe(0);
  const [, page = ''] = /^The runs as pages: (.+history\.html)$/m.exec(stdout) ?? [];
  try {
    expect((await readFile(page, 'utf8')).match(/href="runs\/[^"]+\/report\.html"/g)).toHaveLength(4);
  } finally {
    await rm(dirname(page), { recursive: true });
  }
});

it('npm start -- air-gap carries every image over a gap, and says where the files are', async () => {
  const { code, stdout } = await start('air-gap', '--profile', 'self-managed');
  const [before = '', after = ''] = stdout.split('── the gap: the sources and the Harness outside are shut\n');
  expect(before).toMatch(/^\$ factory plan --needs needs\.json\nplan \S+: SUCCEEDED/m);
  expect(before).toMatch(/^\$ factory export --to harness\.tar --images needs\.json\nexport \S+: SUCCEEDED/m);
  expect(after.match(/^(?:verify|plan|import) \S+: SUCCEEDED/gm)).toHaveLength(4);
  expect(after).toMatch(/^import \S+: SUCCEEDED \(36 images imported, \d+ fields switched\)$/m);
  expect(after).toMatch(/^import \S+: SUCCEEDED \(0 images imported, 0 fields switched\)$/m);
  const [, folder = ''] = /^All of it succeeded\. The files are in (.+):$/m.exec(after) ?? [];
  const files = ['harness.bundle.json', 'harness.sbom.cdx.json', 'harness.sha256', 'harness.tar', 'needs.json'];
  try {
    expect((await readdir(folder)).toSorted()).toEqual([...files, 'receipt.json']);
  } finally {
    await rm(folder, { recursive: true });
  }
  expect(code).toBe(0);
}, 120_000);

it('npm start refuses an unknown profile, and lists the ones that exist', async () => {
  const { code, stderr } = await start('--profile', 'saas');
  expect(stderr).toContain('Allowed choices are saas-2026, saas-2023, self-managed.');
  expect(code).toBe(1);
});
