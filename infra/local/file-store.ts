import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { assertKey, type ObjectStore } from '../../functions/state/object-store.ts';
import { cureOf, reasonOf } from './file-failure.ts';
import { isHeld, replaceFile } from './held-files.ts';
import { makeFolder } from './make-folder.ts';

/** The object store of local runs. Stores objects in a folder that only its owner can read. */
export class FileStore implements ObjectStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Writes and deletes a probe as large as the documents of a run. Throws `StoreFailed`. */
  async prepare(): Promise<void> {
    const probe = `${randomUUID()}.draft`;
    const path = join(this.folder, probe);
    await this.#attempt('write', probe, () =>
      write(path, new Uint8Array(probeBytes)).finally(() => rm(path, { force: true }).catch(() => undefined)),
    );
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    assertKey(key);
    return this.#attempt('read', key, () => readObject(join(this.folder, key)));
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    assertKey(key);
    const path = join(this.folder, key);
    // Rename into place, so that neither readers nor a crash see a partial file.
    const draft = `${path}.${randomUUID()}.draft`;
    await this.#attempt('write', key, async () => {
      try {
        await write(draft, body);
        await replaceFile(draft, path);
      } catch (error) {
        await rm(draft, { force: true }).catch(() => undefined);
        throw error;
      }
    });
  }

  /**
   * Updates an object under a lock: a file beside the object that only one writer can create. The lock contains the new
   * body, so that its rename onto the object writes the object and releases the lock in one step.
   */
  async update(key: string, change: Parameters<ObjectStore['update']>[1]): Promise<boolean> {
    assertKey(key);
    const path = join(this.folder, key);
    const lock = `${path}.lock.draft`;
    const updated = await this.#attempt('write', key, async () => {
      const file = await createLock(lock);
      if (!file) return false;
      try {
        const body = change(await readObject(path));
        if (!body) return true;
        await file.writeFile(body);
        if (!(await isStill(file, lock))) return false;
        if ((await stat(path).catch(() => undefined))?.isDirectory()) await rm(path, { recursive: true });
        await replaceFile(lock, path);
        return true;
      } finally {
        if (await isStill(file, lock)) await rm(lock);
        await file.close();
      }
    });
    return updated === true;
  }

  locate(key: string): string {
    return join(this.folder, key);
  }

  async list(prefix: string): Promise<string[]> {
    // The folder of the prefix narrows the walk. The rest of the prefix is compared with names.
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

  /** Returns `undefined` for an object that does not exist, and describes every other failure for the user. */
  async #attempt<T>(verb: string, key: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof FactoryError) throw cause;
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT' && verb !== 'write') return undefined;
      throw new FactoryError('StoreFailed', `cannot ${verb} ${this.locate(key)}: ${reasonOf(cause)}`, {
        hint: `${cureOf(cause, this.folder)}, or name another folder with --state.`,
        cause,
      });
    }
  }
}

/** The size of the plan, results, snapshot and report of about 50 images. */
const probeBytes = 256 * 1024;

/** Does `work` on a file. Creates missing folders only after a failure: of hundreds of objects only the first needs them. */
async function inFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await makeFolder(dirname(path), 0o700);
    return work();
  }
}

function write(path: string, body: Uint8Array): Promise<void> {
  return inFolder(path, () => writeFile(path, body, { mode: 0o600 }));
}

/** Reads an object. Release 0.1.0 stored an object that is updated as a folder of its versions. */
async function readObject(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code !== 'EISDIR') throw error;
    const [newest] = (await readdir(path))
      .map(Number)
      .filter((version) => version > 0)
      .toSorted((a, b) => b - a);
    return newest === undefined ? undefined : readFile(join(path, String(newest), 'body'));
  }
}

/** The longest life of a lock, in milliseconds. An update takes a few; an older lock was left by a process that was killed. */
const lockLifeMs = 5_000;

/** Creates a lock. Returns `undefined` while another writer has it, and removes it when that writer is dead. */
async function createLock(lock: string): Promise<FileHandle | undefined> {
  try {
    return await inFolder(lock, () => open(lock, 'wx', 0o600));
  } catch (error) {
    // Windows reports a lock that is about to vanish as held.
    if (isHeld(error)) return undefined;
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const found = await stat(lock).catch(() => undefined);
    if (found && found.mtimeMs + lockLifeMs < Date.now()) await rm(lock, { force: true });
    return undefined;
  }
}

/** Returns whether a lock is still this one. Another writer removes the lock of a process that was suspended. */
async function isStill(file: FileHandle, lock: string): Promise<boolean> {
  // As a number, the id of a file on Windows could be that of another one.
  const exact = { bigint: true } as const;
  const [ours, found] = await Promise.all([file.stat(exact), stat(lock, exact).catch(() => undefined)]);
  return ours.ino === found?.ino;
}
