import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { assertKey, type ObjectStore } from '../../functions/state/object-store.ts';
import { cureOf, reasonOf } from './file-failure.ts';
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
    return this.#attempt('read', key, () => readFile(join(this.folder, key)));
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    assertKey(key);
    const path = join(this.folder, key);
    // Rename into place, so that neither readers nor a crash see a partial file.
    const draft = `${path}.${randomUUID()}.draft`;
    await this.#attempt('write', key, async () => {
      try {
        await write(draft, body);
        await rename(draft, path);
      } catch (error) {
        await rm(draft, { force: true }).catch(() => undefined);
        throw error;
      }
    });
  }

  /**
   * Updates an object atomically. A file system compares and writes in one step only when it creates a new name, so the
   * object is a folder of its last versions, and the highest version is current. Each version is a folder that contains
   * the body, because a rename onto a folder that is not empty fails everywhere, including network drives.
   */
  async update(key: string, change: Parameters<ObjectStore['update']>[1]): Promise<boolean> {
    assertKey(key);
    const folder = join(this.folder, key);
    const updated = await this.#attempt('write', key, async () => {
      await makeFolder(folder, 0o700);
      const before = Math.max(0, ...(await versionsIn(folder)));
      const current = before === 0 ? undefined : await this.get(`${key}/${before}/body`);
      // Another writer has replaced and removed it since it was listed.
      if (before > 0 && !current) return false;
      const body = change(current);
      return !body || (await makeVersion(folder, before + 1, body));
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

/** Writes a file. Creates missing folders only after a failure: of hundreds of objects only the first needs them. */
async function write(path: string, body: Uint8Array): Promise<void> {
  try {
    await writeFile(path, body, { mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await makeFolder(dirname(path), 0o700);
    await writeFile(path, body, { mode: 0o600 });
  }
}

async function versionsIn(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Creates a version. Returns false if another writer created it first. */
async function makeVersion(folder: string, version: number, body: Uint8Array): Promise<boolean> {
  const draft = join(folder, `${randomUUID()}.draft`);
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(join(draft, 'body'), body, { mode: 0o600 });
    await rename(draft, join(folder, String(version)));
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    if (taken.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
  const versions = await versionsIn(folder);
  // A delayed writer may find the name free because that version was replaced and removed long ago.
  if (Math.max(...versions) - version >= keptVersions) return false;
  const old = versions.filter((other) => other <= version - keptVersions);
  await Promise.allSettled(old.map((other) => rm(join(folder, String(other)), { recursive: true })));
  return true;
}

/** The number of versions that are kept. More than other writers can create while one writer reads once. */
const keptVersions = 16;

/** The error codes of a rename onto an existing folder. Windows reports a lack of permission. */
const taken = new Set(['EEXIST', 'ENOTEMPTY', ...(process.platform === 'win32' ? ['EPERM'] : [])]);
