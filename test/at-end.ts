import { afterAll } from '@jest/globals';

const ends: (() => Promise<unknown> | void)[] = [];

/** Calls `end` after the last test of all suites that run together, for what they share. */
export function atEnd(end: () => Promise<unknown> | void): void {
  ends.push(end);
}

// Outside of every suite: `together` loads this module before the first one.
afterAll(() => Promise.all(ends.splice(0).map(async (end) => end())));
