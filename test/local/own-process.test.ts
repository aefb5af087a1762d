import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from '@jest/globals';
import { ownProcess } from '../../infra/local/own-process.ts';

it('reports that a process has ended only for its own process table', async () => {
  const { identity, isGone } = ownProcess;
  expect(identity.pid).toBe(process.pid);
  expect(isGone(identity)).toBe(false);
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => undefined, 1000)']);
  const other = { ...identity, pid: child.pid as number };
  expect(isGone(other)).toBe(false);
  child.kill();
  await once(child, 'exit');
  expect(isGone(other)).toBe(true);
  expect(isGone({ ...other, table: 'of another host' })).toBe(false);
});
