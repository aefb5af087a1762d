import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
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

it('npm start refuses an unknown profile, and lists the ones that exist', async () => {
  const { code, stderr } = await start('--profile', 'saas');
  expect(stderr).toContain('Allowed choices are saas-2026, saas-2023, self-managed.');
  expect(code).toBe(1);
});
