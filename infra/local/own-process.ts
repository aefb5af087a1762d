import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { LockOptions } from '../../functions/state/lock.ts';

type OwnProcess = NonNullable<LockOptions['process']>;

/** This process, and how to tell of another one whether it is gone. */
export const ownProcess: OwnProcess = {
  identity: { table: processTable(), pid: process.pid },
  isGone: ({ table, pid }) => table === ownProcess.identity.table && !isAlive(pid),
};

/** Containers may have a host's name in common, and processes of their own all the same; a kernel boots with a new id. */
function processTable(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user's is there, too.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
