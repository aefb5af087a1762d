import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { assertKey, type ObjectStore } from '../../functions/store/object-store.ts';

/** The object store of local runs: a folder that only its owner can read. */
export class FileStore implements ObjectStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    return this.#attempt('read', key, () => readFile(join(this.folder, key)));
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    assertKey(key);
    const path = join(this.folder, key);
    // Renamed into place, so that a reader, or a crash, never meets half a file.
    const draft = `${path}.${randomUUID()}.draft`;
    await this.#attempt('write', key, async () => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        await writeFile(draft, body, { mode: 0o600 });
        await rename(draft, path);
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    });
  }

  async list(prefix: string): Promise<string[]> {
    // The folder part of a prefix narrows the walk; the rest is matched on names.
    const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const entries = await this.#attempt('list', start, () =>
      readdir(join(this.folder, start), { recursive: true, withFileTypes: true }),
    );
    return (entries ?? [])
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.draft'))
      .map((entry) => join(entry.parentPath, entry.name).slice(join(this.folder, '/').length).replaceAll('\\', '/'))
      .filter((key) => key.startsWith(prefix))
      .toSorted();
  }

  /** What does not exist is `undefined`; every other failure is worded for the user. */
  async #attempt<T>(verb: string, key: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT' && verb !== 'write') return undefined;
      throw new FactoryError('StoreFailed', `cannot ${verb} ${join(this.folder, key)} (${code ?? String(cause)})`, {
        hint: 'Make the state folder writable and large enough, or name another one with --state.',
        cause,
      });
    }
  }
}
