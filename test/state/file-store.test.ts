import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { assertKey, getJson, putJson, updateJson } from '../../functions/state/object-store.ts';
import { versioned } from '../../functions/state/schema.ts';
import { FileStore } from '../../infra/local/file-store.ts';

let parent: string;
let store: FileStore;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'store-test-'));
  store = new FileStore(join(parent, 'state'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(parent, { recursive: true });
});

const counter = versioned({ content: z.object({ count: z.number() }), cure: 'Delete it.' });
const bytes = (text: string) => new TextEncoder().encode(text);

describe('keys', () => {
  it.each(['a', 'runs/2026-01-01T00_00/plan.json', 'manifests/sha256-ab.json', 'a..b/c...d'])(
    'accepts the key %s',
    (key) => {
      expect(() => assertKey(key)).not.toThrow();
    },
  );

  it.each([
    '',
    '/a',
    'a/',
    'a//b',
    '..',
    '../a',
    'a/../b',
    'a/..',
    '.',
    './a',
    'a\\b',
    'a b',
    'a\n',
    'a\u0000',
    'ä',
    'a:b',
  ])('refuses the key %j as a bug of the caller', async (key) => {
    expect(() => assertKey(key)).toThrow(TypeError);
    await expect(store.get(key)).rejects.toThrow('unsafe object key');
    await expect(store.put(key, bytes('x'))).rejects.toThrow('unsafe object key');
  });
});

describe('a file store', () => {
  it('returns what was put, and undefined for a missing object', async () => {
    await store.put('runs/a/plan.json', bytes('one'));
    await store.put('runs/a/plan.json', bytes('two'));
    expect(Buffer.from((await store.get('runs/a/plan.json')) ?? []).toString()).toBe('two');
    expect(await store.get('runs/b/plan.json')).toBeUndefined();
  });

  it('lists keys by any prefix, sorted', async () => {
    for (const key of ['runs/b/plan.json', 'runs/a/images/0.json', 'runs/a/plan.json', 'inventory.json'])
      await store.put(key, bytes('x'));
    expect(await store.list('runs/')).toEqual(['runs/a/images/0.json', 'runs/a/plan.json', 'runs/b/plan.json']);
    expect(await store.list('runs/a/p')).toEqual(['runs/a/plan.json']);
    expect(await store.list('')).toHaveLength(4);
    expect(await store.list('nothing/')).toEqual([]);
  });

  it('creates files that only their owner can read', async () => {
    await store.put('runs/a/plan.json', bytes('x'));
    const modes = await Promise.all(
      ['', 'runs', 'runs/a', 'runs/a/plan.json'].map(
        async (path) => (await stat(join(store.folder, path))).mode & 0o777,
      ),
    );
    expect(modes).toEqual([0o700, 0o700, 0o700, 0o600]);
  });

  it('never shows a reader a part of an object', async () => {
    const bodies = ['a', 'b'].map((letter) => bytes(letter.repeat(500_000)));
    await store.put('big', bodies[0] as Uint8Array);
    const writes = (async () => {
      for (let i = 0; i < 20; i++) await store.put('big', bodies[i % 2] as Uint8Array);
    })();
    for (let i = 0; i < 40; i++) {
      const seen = Buffer.from((await store.get('big')) ?? []);
      expect(seen.length).toBe(500_000);
      expect(seen.every((byte) => byte === seen[0])).toBe(true);
    }
    await writes;
    expect(await readdir(store.folder)).toEqual(['big']);
  });

  it('keeps the old object, and no draft, when a write fails', async () => {
    await mkdir(join(store.folder, 'taken', 'by-a-folder'), { recursive: true });
    await expect(store.put('taken', bytes('x'))).rejects.toMatchObject({ name: 'StoreFailed' });
    expect(await readdir(store.folder)).toEqual(['taken']);
  });

  it('does not list drafts that a crash left', async () => {
    await store.put('a', bytes('x'));
    await writeFile(join(store.folder, 'a.123.draft'), 'half');
    expect(await store.list('')).toEqual(['a']);
  });

  const spoilt: [string, () => Promise<void>][] = [
    ['a file where the folder should be', () => writeFile(store.folder, 'x')],
    ['a folder that may not be written', () => mkdir(store.folder, { mode: 0o500 })],
  ];

  // Root may write everywhere.
  it.each(process.getuid?.() === 0 ? spoilt.slice(0, 1) : spoilt)(
    'tells of %s as StoreFailed, with the way out',
    async (_, spoil) => {
      await spoil();
      await expect(store.put('runs/a.json', bytes('x'))).rejects.toMatchObject({
        name: 'StoreFailed',
        message: expect.stringContaining(join('state', 'runs')),
        hint: expect.stringContaining('--state'),
      });
    },
  );
});

describe('an update', () => {
  const text = (body: Uint8Array | undefined) => body && Buffer.from(body).toString();
  const seen = async (key: string) => text(await store.get(key));

  it('creates an object, replaces it, and leaves it', async () => {
    expect(await store.update('locks/a.json', (body) => bytes(`${text(body) ?? 'new'}1`))).toBe(true);
    expect(await store.update('locks/a.json', (body) => bytes(`${text(body)}2`))).toBe(true);
    expect(await store.update('locks/a.json', () => undefined)).toBe(true);
    expect(await seen('locks/a.json')).toBe('new12');
    expect(await readdir(join(store.folder, 'locks'))).toEqual(['a.json']);
    expect((await stat(join(store.folder, 'locks/a.json'))).mode & 0o777).toBe(0o600);
  });

  it('continues an object that was put', async () => {
    await store.put('a', bytes('put'));
    expect(await store.update('a', (body) => bytes(`${text(body)} and updated`))).toBe(true);
    expect(await seen('a')).toBe('put and updated');
  });

  it('writes nothing while another writer updates the object', async () => {
    const other = new FileStore(store.folder);
    let overtaken: Promise<boolean> | undefined;
    const first = await store.update('a', () => {
      overtaken = other.update('a', () => bytes('theirs'));
      return bytes('ours');
    });
    expect([first, await overtaken].filter(Boolean)).toHaveLength(1);
    expect(await seen('a')).toBe(first ? 'ours' : 'theirs');
  });

  it('releases the object when the change fails', async () => {
    const failing = store.update('a', () => {
      throw new TypeError('no');
    });
    await expect(failing).rejects.toMatchObject({ name: 'StoreFailed', message: expect.stringContaining('no') });
    expect(await readdir(store.folder)).toEqual([]);
  });

  const lock = () => join(store.folder, 'a.lock.draft');
  const aged = async (seconds: number) => {
    await writeFile(lock(), 'half of a bo');
    const time = new Date(Date.now() - seconds * 1_000);
    await utimes(lock(), time, time);
  };

  it('removes the lock of a process that was killed during an update, after five seconds', async () => {
    await store.put('a', bytes('old'));
    await aged(4);
    expect(await store.update('a', () => bytes('new'))).toBe(false);
    await aged(6);
    expect(await store.update('a', () => bytes('new'))).toBe(false);
    expect(await store.update('a', () => bytes('new'))).toBe(true);
    expect(await seen('a')).toBe('new');
  });

  it('writes nothing when another writer has taken the lock from a process that was suspended', async () => {
    await store.put('a', bytes('old'));
    const late = await store.update('a', () => {
      rmSync(lock());
      writeFileSync(lock(), 'theirs');
      return bytes('ours');
    });
    expect(late).toBe(false);
    expect(await seen('a')).toBe('old');
    expect(await readFile(lock(), 'utf8')).toBe('theirs');
  });

  it('adopts the newest version of an object that release 0.1.0 updated', async () => {
    for (const version of ['9', '10', '1']) await store.put(`locks/a.json/${version}/body`, bytes(version));
    await mkdir(join(store.folder, 'locks/a.json/0ff1ce.draft'));
    await mkdir(join(store.folder, 'locks/empty.json'));
    expect([await seen('locks/a.json'), await seen('locks/empty.json')]).toEqual(['10', undefined]);
    for (const key of ['locks/a.json', 'locks/empty.json'])
      expect(await store.update(key, (body) => bytes(`${text(body) ?? 'none'} and new`))).toBe(true);
    expect([await seen('locks/a.json'), await seen('locks/empty.json')]).toEqual(['10 and new', 'none and new']);
    expect(await store.list('')).toEqual(['locks/a.json', 'locks/empty.json']);
  });

  it('loses no update of many writers at once', async () => {
    const stores = Array.from({ length: 4 }, () => new FileStore(store.folder));
    const add = async (from: FileStore) => {
      for (let i = 0; i < 10; i++)
        await updateJson(from, 'locks/count.json', counter, (now) => ({ count: (now?.count ?? 0) + 1 }));
    };
    await Promise.all(stores.map(add));
    expect(JSON.parse((await seen('locks/count.json')) ?? '')).toEqual({ version: 1, count: 40 });
  });

  it('loses no update of writers in several processes', async () => {
    const script = `
      import { updateJson } from ${JSON.stringify(join(import.meta.dirname, '../../functions/state/object-store.ts'))};
      import * as z from 'zod';
      import { versioned } from ${JSON.stringify(join(import.meta.dirname, '../../functions/state/schema.ts'))};
      import { FileStore } from ${JSON.stringify(join(import.meta.dirname, '../../infra/local/file-store.ts'))};
      const store = new FileStore(${JSON.stringify(store.folder)});
      const counter = versioned({ content: z.object({ count: z.number() }) });
      for (let i = 0; i < 50; i++) await updateJson(store, 'count.json', counter, (now) => ({ count: (now?.count ?? 0) + 1 }));`;
    const run = () =>
      promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { cwd: import.meta.dirname });
    await Promise.all([run(), run(), run()]);
    expect(JSON.parse((await seen('count.json')) ?? '')).toEqual({ version: 1, count: 150 });
  });

  it('names a damaged object that it should update', async () => {
    await store.update('locks/a.json', () => bytes('{"a":'));
    await expect(updateJson(store, 'locks/a.json', counter, () => ({ count: 1 }))).rejects.toMatchObject({
      name: 'StoreFailed',
      message: `${join(store.folder, 'locks/a.json')} is damaged: it is not JSON`,
      hint: 'Delete it.',
    });
  });

  it('gives up an update that other writers always overtake, and names the object', async () => {
    class Busy extends FileStore {
      override async update() {
        return false;
      }
    }
    jest.spyOn(Math, 'random').mockReturnValue(0);
    await expect(updateJson(new Busy('/the/place'), 'a', counter, () => ({ count: 1 }))).rejects.toMatchObject({
      name: 'StoreFailed',
      message: expect.stringContaining('other runs changed /the/place/a during all'),
    });
  });
});

describe('a JSON document', () => {
  it('reads a document back unchanged, and indents it for people', async () => {
    const names = versioned({ content: z.array(z.string()), under: 'names', cure: 'Delete it.' });
    await putJson(store, 'a.json', names, ['ü']);
    expect(await getJson(store, 'a.json', names)).toEqual(['ü']);
    expect(await readFile(join(store.folder, 'a.json'), 'utf8')).toContain('\n  "names"');
    expect(await getJson(store, 'none.json', names)).toBeUndefined();
  });
});
