import { randomBytes } from 'node:crypto';

/** Returns an id that sorts by time, and is a valid execution name. */
export function newRunId(): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${time}-${randomBytes(3).toString('hex')}`;
}
