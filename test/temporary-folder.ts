import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';

/** Returns a function that creates folders outside of this project. They are removed after the suite. */
export function useTemporaryFolders(): (name: string) => string {
  const folders: string[] = [];
  // A listener of the process's `exit` event is never called: a suite's `process` is a copy.
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));
  return (name) => {
    const folder = mkdtempSync(join(tmpdir(), `${name}-`));
    folders.push(folder);
    return folder;
  };
}
