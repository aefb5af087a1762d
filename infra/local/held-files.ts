import * as fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** The number of times a rename is tried, and the milliseconds before the second try. Each further pause is longer. */
const attempts = 8;
const firstPauseMs = 10;

/** Parts of the system that a test replaces. */
interface System {
  platform?: NodeJS.Platform;
  rename?: typeof fs.rename;
}

/**
 * Returns true if Windows refused an operation because another process has the file open, such as a reader or a virus
 * scanner. Other systems refuse nothing for that reason: the same codes are failures there.
 */
export function isHeld(error: unknown, platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'win32' && /^(?:EPERM|EACCES|EBUSY)$/.test((error as NodeJS.ErrnoException).code ?? '');
}

/** Renames a file onto another one. Waits a second at most for those that hold it. */
export async function replaceFile(from: string, to: string, system: System = {}): Promise<void> {
  const { platform, rename = fs.rename } = system;
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (!isHeld(error, platform) || attempt === attempts) throw error;
      await sleep(firstPauseMs * 2 ** (attempt - 1));
    }
  }
}
