import { execFile } from 'node:child_process';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { TarCarrier } from '../../functions/bundle/carrier.ts';
import { fileCarrier, fileSource } from '../../functions/bundle/file-carrier.ts';
import type { BundlePlan } from '../../functions/bundle/plan-bundle.ts';
import { verifyBundle } from '../../functions/bundle/verify-bundle.ts';
import { type TarWriting, type WrittenBundle, writeTar } from '../../functions/bundle/write-tar.ts';
import { count } from '../oci/connect.ts';
import { folder, joined, planSamples, registry, useSamples } from './sample-bundle.ts';

useSamples();
const run = promisify(execFile);
const kills = Number(process.env['BUNDLE_KILLS'] ?? 6);
let number = 0;

/** Writes a bundle under a name of its own, and returns its tar. */
async function write(
  plan: BundlePlan,
  { partBytes, ...options }: TarWriting & { partBytes?: number } = {},
): Promise<WrittenBundle & { name: string; bytes: Buffer }> {
  const name = `bundle-${++number}.tar`;
  const written = await writeTar(plan, fileCarrier(join(folder, name), { partBytes }), options);
  return { ...written, name, bytes: await joined(name) };
}

describe('an export to a tar', () => {
  it('writes the same bytes twice, and in parts of any size', async () => {
    const plan = await planSamples();
    const whole = await write(plan);
    const again = await write(await planSamples());
    const cut = await write(plan, { partBytes: 1_000_000 });
    expect(whole.bytes.length).toBe(whole.size);
    expect(again.bytes.equals(whole.bytes)).toBe(true);
    expect(cut.bytes.equals(whole.bytes)).toBe(true);
    expect((await readdir(folder)).filter((file) => file.startsWith(`${cut.name}.`))).toHaveLength(
      Math.ceil(whole.size / 1_000_000),
    );
  });

  it('reads each blob once, and no layer before the plan is complete', async () => {
    registry.requests.length = 0;
    const plan = await planSamples();
    expect(count(registry, 'GET', /\/blobs\//)).toBe(0);
    await write(plan);
    expect(count(registry, 'GET', /\/blobs\//)).toBe(plan.blobs.size);
  });

  it('adds less than 1 KiB for each blob, and 64 KiB', async () => {
    const { document, size } = await write(await planSamples());
    expect(size).toBeLessThan(document.totals.bytes + 1_024 * document.totals.blobs + 64 * 1_024);
  });

  it.each([undefined, 3_000_000])('writes sums that sha256sum confirms, with parts of %s bytes', async (partBytes) => {
    const { name } = await write(await planSamples(), {
      ...(partBytes !== undefined && { partBytes }),
      accompany: async () => new Map([['sig', Buffer.from('signature')]]),
    });
    const { stdout } = await run('sha256sum', ['-c', `${name.replace('.tar', '')}.sha256`], { cwd: folder });
    expect(stdout).toContain(name);
    expect(stdout).toContain('.sig: OK');
    expect(stdout).toContain('.bundle.json: OK');
    const source = await fileSource(join(folder, name));
    expect((await verifyBundle(source, { companions: source.companions })).damages).toEqual([]);
  });

  it('lists a tar that other tools read', async () => {
    const { name, document } = await write(await planSamples());
    const { stdout } = await run('tar', ['-tf', name], { cwd: folder });
    const entries = stdout.trim().split('\n');
    expect(entries.slice(0, 3)).toEqual(['oci-layout', 'index.json', 'bundle.json']);
    expect(entries).toHaveLength(3 + document.blobs.length);
  });
});

describe('an interrupted export', () => {
  let resumes = 0;
  let plan: BundlePlan;
  /** The same export, not interrupted. */
  let expected: Awaited<ReturnType<typeof write>>;
  beforeAll(async () => {
    plan = await planSamples();
    expected = await write({ ...plan, document: { ...plan.document, createdAt: '2027-01-01T00:00:00.000Z' } });
  });

  it.each(Array.from({ length: kills }, (_, index) => index))(
    'ends with the same bytes after kill %i',
    async (index) => {
      const partBytes = index % 2 === 0 ? undefined : 2_500_000;
      const name = `killed-${index}.tar`;
      const carrier = fileCarrier(join(folder, name), { partBytes });
      let resumed = 0;
      for (let life = 0; ; life++) {
        const limit = Math.floor(Math.random() * expected.size);
        let seen = 0;
        const onBytes = (bytes: number) => {
          seen += bytes;
          if (life < 3 && seen > limit) throw new Error('killed');
        };
        // The time and the release differ, as they do in a new process.
        const later = { ...plan, document: { ...plan.document, createdAt: `2027-01-0${life + 1}T00:00:00.000Z` } };
        try {
          resumed += (await writeTar(later, carrier, { onBytes, checkpointBytes: 200_000 })).resumedAt;
          break;
        } catch (error) {
          expect(String(error)).toContain('killed');
          expect((await readdir(folder)).filter((file) => file === name)).toEqual([]);
        }
      }
      expect((await joined(name)).equals(expected.bytes)).toBe(true);
      expect(await readFile(join(folder, name.replace('.tar', '.bundle.json')))).toEqual(
        await readFile(join(folder, expected.name.replace('.tar', '.bundle.json'))),
      );
      expect((await readdir(folder)).filter((file) => /part(?:ial|\.json)/.test(file))).toEqual([]);
      resumes += Number(resumed > 0);
    },
  );

  it('continues where it was, in most cases', () => {
    expect(resumes).toBeGreaterThan(kills / 2);
  });

  it('starts again, and says so, when the images changed', async () => {
    const carrier = fileCarrier(join(folder, 'changed.tar'));
    const stop = () => {
      throw new Error('killed');
    };
    await expect(writeTar(await planSamples(), carrier, { onBytes: stop })).rejects.toThrow('killed');
    const notes: string[] = [];
    const fewer = await planSamples({}, ['plugins/docker:21']);
    const { resumedAt } = await writeTar(fewer, carrier, { onNote: (note) => notes.push(note) });
    expect(resumedAt).toBe(0);
    expect(notes).toEqual([expect.stringContaining('the images changed since the export was interrupted')]);
  });

  it('starts again when its journal cannot be read', async () => {
    await writeFile(join(folder, 'odd.part.json'), '{');
    const { resumedAt } = await writeTar(await planSamples(), fileCarrier(join(folder, 'odd.tar')));
    expect(resumedAt).toBe(0);
  });
});

describe('an export that was killed after its last byte', () => {
  /** A carrier whose process ends when a file gets written beside the bundle, or a name is given. */
  function mortal(name: string, { partBytes, at }: { partBytes?: number; at: 'sha256' | 'name' }): TarCarrier {
    const carrier = fileCarrier(join(folder, name), { partBytes });
    const { companions } = carrier;
    if (!companions) throw new TypeError('a file has files beside it');
    return {
      ...carrier,
      companions: {
        ...companions,
        write: async (companion, bytes) => {
          if (companion === at) throw new Error('killed');
          await companions.write(companion, bytes);
        },
      },
      async create(size, position) {
        const writer = await carrier.create(size, position);
        const [first] = carrier.slices(size);
        if (at === 'name')
          writer.complete = async () => {
            await writer.flush();
            await rename(join(folder, `${first?.name}.partial`), join(folder, first?.name ?? ''));
            throw new Error('killed');
          };
        return writer;
      },
    };
  }

  it('gives the other parts their names, and reads no blob again', async () => {
    const name = 'names.tar';
    const partBytes = 2_500_000;
    const dying = writeTar(await planSamples(), mortal(name, { partBytes, at: 'name' }));
    await expect(dying).rejects.toThrow('killed');
    expect((await readdir(folder)).filter((file) => file.startsWith(`${name}.`) && !file.endsWith('.partial'))).toEqual(
      [`${name}.001`],
    );
    registry.requests.length = 0;
    const { size, resumedAt } = await writeTar(await planSamples(), fileCarrier(join(folder, name), { partBytes }));
    expect(resumedAt).toBe(size);
    expect(count(registry, 'GET', /\/blobs\//)).toBe(0);
    expect((await joined(name)).equals((await write(await planSamples())).bytes)).toBe(true);
    expect((await readdir(folder)).filter((file) => /part(?:ial|\.json)/.test(file))).toEqual([]);
  });

  it('leaves no earlier bundle beside the files of the new one', async () => {
    const name = 'replaced.tar';
    const path = join(folder, name);
    await writeTar(await planSamples({}, ['plugins/docker:21']), fileCarrier(path));
    await expect(writeTar(await planSamples(), mortal(name, { at: 'sha256' }))).rejects.toThrow('killed');
    // A check would compare the tar of before with the document of now.
    await expect(fileSource(path)).rejects.toThrow('there is no bundle');
    registry.requests.length = 0;
    await writeTar(await planSamples(), fileCarrier(path));
    expect(count(registry, 'GET', /\/blobs\//)).toBe(0);
    const source = await fileSource(path);
    expect((await verifyBundle(source, { companions: source.companions })).damages).toEqual([]);
  });
});

describe('an export that was killed beside a complete bundle of the same images', () => {
  const later = { createdAt: '2027-01-01T00:00:00.000Z' };
  const damagesOf = async (path: string) => {
    const source = await fileSource(path);
    return (await verifyBundle(source, { companions: source.companions })).damages;
  };

  it.each(['halfway', 'at its last byte'])('never takes that bundle for its own data: killed %s', async (moment) => {
    const path = join(folder, `beside-${++number}.tar`);
    const carrier = fileCarrier(path);
    const before = await writeTar(await planSamples(), carrier);
    let seen = 0;
    const stop = (bytes: number) => {
      if ((seen += bytes) > before.size / 2 && moment === 'halfway') throw new Error('killed');
    };
    const dying = { ...carrier, removeOld: () => Promise.reject(new Error('killed')) };
    const options = { onBytes: stop, checkpointBytes: 500_000 };
    await expect(writeTar(await planSamples(later), dying, options)).rejects.toThrow('killed');
    // Somebody needs the space.
    await rm(`${path}.partial`);
    await expect(writeTar(await planSamples(later), dying)).rejects.toThrow('killed');
    expect(await damagesOf(path)).toEqual([]);
    await rm(`${path}.partial`);
    expect((await writeTar(await planSamples(later), carrier)).resumedAt).toBe(0);
    expect(await damagesOf(path)).toEqual([]);
  });
});

describe('parts of another bundle', () => {
  it('stop an export, which names them', async () => {
    await writeFile(join(folder, 'stale.tar.007'), 'old');
    const carrier = fileCarrier(join(folder, 'stale.tar'), { partBytes: 5_000_000 });
    await expect(writeTar(await planSamples(), carrier)).rejects.toThrow('stale.tar.007');
  });
});
