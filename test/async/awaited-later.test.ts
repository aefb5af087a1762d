import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';

const file = new URL('../../functions/async/awaited-later.ts', import.meta.url).href;

/** Runs a process whose work fails before it is awaited. */
const failEarly = (wrap: string) =>
  spawnSync(process.execPath, [
    '--no-warnings',
    '--input-type=module',
    '-e',
    `import { awaitedLater } from '${file}';
     const work = ${wrap}(Promise.reject(new Error('early')));
     await new Promise((resolve) => setTimeout(resolve, 20));
     console.log(await work.catch((error) => error.message));`,
  ]);

describe('work that fails before it is awaited', () => {
  it('fails where it is awaited, and does not end the process', () => {
    const { status, stdout } = failEarly('awaitedLater');
    expect([status, String(stdout).trim()]).toEqual([0, 'early']);
    expect(failEarly('').status).toBe(1);
  });
});
