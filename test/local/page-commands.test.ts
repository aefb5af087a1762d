import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FileStore } from '../../infra/local/file-store.ts';
import { writeHistoryPage, writeRunPage } from '../../infra/local/page-commands.ts';
import type { State } from '../../infra/local/state.ts';
import { problemsOf, textOf } from '../pages/markup.ts';
import { MemoryStore } from '../state/memory-store.ts';

/** A state as release 0.1.0 wrote it, with three runs that have a report, and one that was killed. */
const fixture = join(import.meta.dirname, '../state/fixtures/0.1.0');
const options = { stateOptions: ['--state', '/a state'], warn: () => undefined };

let folder: string;
let store: FileStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'factory-pages-'));
  await cp(fixture, join(folder, 'state'), { recursive: true });
  store = new FileStore(join(folder, 'state'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A bucket, as far as a command sees it. */
function bucket(): State['store'] {
  const memory = new MemoryStore();
  return Object.assign(memory, {
    get: (key: string) => store.get(key),
    list: (prefix: string) => store.list(prefix),
  }) as unknown as State['store'];
}

describe('factory report', () => {
  it('writes the page of the last run into the state, for a state of release 0.1.0 too', async () => {
    const path = await writeRunPage(store, options);
    expect(path).toBe(store.locate('runs/third/report.html'));
    const page = await readFile(path, 'utf8');
    expect(await problemsOf(page)).toEqual([]);
    expect(page).toContain('href="report.json"');
    expect(page).toContain('href="../../history.html"');
    expect(page).toContain('href="../first/report.html"');
  });

  it('writes the page of a named run, with the command that puts Harness back', async () => {
    const text = textOf(await readFile(await writeRunPage(store, { ...options, run: 'first' }), 'utf8'));
    expect(text).toContain('Harness was switched to the copies');
    expect(text).toContain("factory restore --run first --state '/a state'");
  });

  it('writes the page and the report to another folder, without links to other runs', async () => {
    const out = join(folder, 'a', 'b');
    expect(await writeRunPage(bucket(), { ...options, run: 'second', out })).toBe(join(out, 'report.html'));
    expect((await readdir(out)).toSorted()).toEqual(['report.html', 'report.json']);
    expect(await readFile(join(out, 'report.html'), 'utf8')).not.toContain('href="../');
  });

  it.each([
    ['a run without a report', { run: 'killed' }, 'no report of run killed'],
    ['an unknown run', { run: 'none' }, 'no report of run none'],
  ])('refuses %s by name', async (_, more, message) => {
    await expect(writeRunPage(store, { ...options, ...more })).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringContaining(message),
    });
  });

  it('refuses an empty state, and a bucket without a place on this machine', async () => {
    const empty = new FileStore(join(folder, 'empty'));
    await expect(writeRunPage(empty, options)).rejects.toMatchObject({ hint: expect.stringContaining('factory plan') });
    await expect(writeRunPage(bucket(), options)).rejects.toMatchObject({ hint: 'Add --out DIR.' });
    await expect(writeHistoryPage(bucket(), { ...options, file: undefined })).rejects.toMatchObject({
      hint: 'Add --html FILE.',
    });
  });
});

describe('factory history --html', () => {
  it('writes every run of the state with a link to its page', async () => {
    const path = await writeHistoryPage(store, { ...options, file: undefined });
    expect(path).toBe(store.locate('history.html'));
    const page = await readFile(path, 'utf8');
    expect(await problemsOf(page)).toEqual([]);
    for (const run of ['first', 'second', 'third']) expect(page).toContain(`href="runs/${run}/report.html"`);
  });

  it('writes to a file without links into the state', async () => {
    const file = join(folder, 'pages', 'runs.html');
    expect(await writeHistoryPage(store, { ...options, file })).toBe(file);
    expect(await readFile(file, 'utf8')).not.toContain('href="runs/');
  });
});
