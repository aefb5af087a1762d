import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** So much of what was read may wait to be collected. */
const garbageBytes = 8 * 1024 * 1024;

let read = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/**
 * Keeps memory flat while bodies pass through. Node reads into buffers of 64 KiB outside of V8's heap; V8 looks for dead
 * ones only when its young generation is full, of objects that are tiny beside their buffers, and those that it
 * moved to the old one wait longer still. To be told of all bytes read.
 */
export function bytesRead(bytes: number): void {
  read += bytes;
  if (read < garbageBytes) return;
  read = 0;
  collect ??= collector();
  collect({ type: 'minor' });
}

/** V8 gives its collector to contexts made under this flag; it takes no compiled code of other flags than its own. */
function collector(): typeof collect & {} {
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('gc') as typeof collect & {};
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
