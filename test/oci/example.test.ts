import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Registry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { expectWhole } from './connect.ts';
import { storedImage } from './stored-images.ts';

const library = join(import.meta.dirname, '../../functions/oci');
const image = storedImage([Buffer.from('base'), Buffer.from('app')]);

let source: Registry;
let destination: Registry;
beforeAll(async () => {
  [source, destination] = await Promise.all([startRegistry(), startRegistry()]);
  source.storage.putImage('org/app', '1.0', image);
});
afterAll(() => Promise.all([source.close(), destination.close()]));

it('runs the example of the library as it is printed, except for the hosts', async () => {
  const page = await readFile(join(library, 'README.md'), 'utf8');
  const [, printed = ''] = /```ts\n(.*?)```/s.exec(page) ?? [];
  const example = printed.replace("'ghcr.io'", `'${source.host}'`).replace("'localhost:5000'", `'${destination.host}'`);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module-typescript', '--eval', example],
    // Imports are relative to the page.
    { cwd: library, timeout: 30_000 },
  );
  const bytes = [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0);
  expect(stdout).toBe(`copied ${bytes} bytes; 0 bytes were there\n`);
  expectWhole(destination, 'mirror/app', image);
  expect(destination.storage.resolve('mirror/app', '1.0')).toBe(image.digest);
});
