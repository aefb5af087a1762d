import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { assertKey, type ObjectStore } from '../../functions/state/object-store.ts';
import { cureOf, reasonOf } from './file-failure.ts';
import { makeFolder } from './make-folder.ts';

/** The object store of local runs: a folder that only its owner can read. */
export class FileStore implements ObjectStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Writes as much as the documents of a run take, and deletes it again. Throws `StoreFailed`. */
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
    // Renamed into place, so that a reader, or a crash, never meets half a file.
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
   * A file system compares and writes in one step only when it makes a name that is not there yet. So such an object is
   * a folder of its last versions, and the highest counts. Each is a folder too, with the body in it: renaming onto a
   * folder that is not empty fails everywhere, network drives included.
   */
  async update(key: string, change: Parameters<ObjectStore['update']>[1]): Promise<boolean> {
    assertKey(key);
    const folder = join(this.folder, key);
    const updated = await this.#attempt('write', key, async () => {
      await makeFolder(folder, 0o700);
      const before = Math.max(0, ...(await versionsIn(folder)));
      const current = before === 0 ? undefined : await this.get(`${key}/${before}/body`);
      // Replaced, and cleared away, since it was listed.
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

/** Plan, results, snapshot and report of some 50 images. */
const probeBytes = 256 * 1024;

/** Folders are made when one is missing: of hundreds of objects only the first needs that. */
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

/** Returns whether the version is ours. */
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
  // A writer that was held up may find a name free again: its owner was replaced long ago, and cleared away.
  if (Math.max(...versions) - version >= keptVersions) return false;
  const old = versions.filter((other) => other <= version - keptVersions);
  await Promise.allSettled(old.map((other) => rm(join(folder, String(other)), { recursive: true })));
  return true;
}

/** So many names stay taken. That they are made while one writer looks once is out of the question. */
const keptVersions = 16;

/** What systems say to a rename onto a folder that is there; Windows says it like a lack of permission. */
const taken = new Set(['EEXIST', 'ENOTEMPTY', ...(process.platform === 'win32' ? ['EPERM'] : [])]);
