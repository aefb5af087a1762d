import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import type { LockOptions } from '../../functions/state/lock.ts';

type OwnProcess = NonNullable<LockOptions['process']>;

/** The identity of this process, and a test whether another process has ended. */
export const ownProcess: OwnProcess = {
  identity: { table: processTable(), pid: process.pid },
  isGone: ({ table, pid }) => table === ownProcess.identity.table && !isAlive(pid),
};

/**
 * Identifies the process table, by boot id and pid namespace: containers may share a host name. macOS and Windows have
 * neither. There, the minute of the start distinguishes machines of one name, and process ids of earlier starts.
 */
function processTable(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return `${hostname()} ${Math.round((Date.now() - uptime() * 1000) / 60_000)}`;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Any other error means that the process exists: EPERM is for a process of another user.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
