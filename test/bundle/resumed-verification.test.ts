import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { planBundleTar } from '../../functions/bundle/bundle-files.ts';
import { fileCarrier } from '../../functions/bundle/file-carrier.ts';
import { openBundle } from '../../functions/bundle/open-bundle.ts';
import { verifyBundle, type VerifyProgress } from '../../functions/bundle/verify-bundle.ts';
import { writeTar } from '../../functions/bundle/write-tar.ts';
import type { RangeReader } from '../../functions/oci/layout/ranges.ts';
import type { PlannedEntry } from '../../functions/oci/layout/tar-plan.ts';
import { folder, planSamples, useSamples } from './sample-bundle.ts';

useSamples();
let bytes: Buffer;
let sums: Buffer;
let entries: readonly PlannedEntry[];
const pieceBytes = 64 * 1024;

beforeAll(async () => {
  const { document } = await writeTar(await planSamples(), fileCarrier(join(folder, 'good.tar')));
  bytes = await readFile(join(folder, 'good.tar'));
  sums = await readFile(join(folder, 'good.sha256'));
  ({ entries } = planBundleTar(document));
});

const companions = { read: async (companion: string) => (companion === 'sha256' ? sums : undefined) };

/** Counts the ranges that are read. */
class CountingReader implements RangeReader {
  readonly name = 'good.tar';
  readonly size: number;
  readonly version: string;
  readonly ranges: [start: number, end: number][] = [];
  readonly #content: Buffer;

  constructor(content: Buffer, version = '1') {
    this.#content = content;
    this.size = content.length;
    this.version = version;
  }

  get bytes(): number {
    return this.ranges.reduce((sum, [start, end]) => sum + end - start, 0);
  }

  async *read(start: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += pieceBytes) {
      signal?.throwIfAborted();
      const stop = Math.min(end, at + pieceBytes);
      this.ranges.push([at, stop]);
      // Verification overwrites what it has read.
      yield Buffer.from(this.#content.subarray(at, stop));
    }
  }

  async close(): Promise<void> {}
}

/** Verifies in calls that each end after so many bytes, through what a document of a run holds between them. */
async function inCalls(content: Buffer, bytesOfCall: number, versions: readonly string[] = []) {
  let progress: VerifyProgress | undefined;
  for (let calls = 1; ; calls++) {
    const version = versions[calls - 1] ?? versions.at(-1) ?? '1';
    const interruption = new AbortController();
    let read = 0;
    const done = await verifyBundle(
      { reader: new CountingReader(content, version) },
      {
        companions,
        signal: interruption.signal,
        onBytes: (count) => {
          if ((read += count) >= bytesOfCall) interruption.abort(new Error('time is up'));
        },
        resumption: { from: progress, keep: (reached) => (progress = reached) },
      },
    ).catch((error: unknown) => {
      if (!(error instanceof Error) || error.message !== 'time is up') throw error;
    });
    if (done) return { ...done, calls };
    progress = progress && (JSON.parse(JSON.stringify(progress)) as VerifyProgress);
    if (calls > 1_000) throw new Error('it never ends');
  }
}

/** Returns the tar with a flipped bit in a header, in the middle of the largest blob, and in the trailer. */
function damaged(): Buffer {
  const copy = Buffer.from(bytes);
  const large = entries.find(({ size }) => size > 8_000_000);
  const small = entries.find(({ name, size }) => name.startsWith('blobs/') && size > 30_000 && size < 50_000);
  for (const at of [(large?.content ?? 0) + 4_000_000, (small?.start ?? 0) + 124, bytes.length - 3])
    copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}

describe('a verification that is interrupted', () => {
  it.each([50_000, 1_000_000, 5_000_000])(
    'continues after each %i bytes, also within a blob, with the same result',
    async (bytesOfCall) => {
      const { damages, calls } = await inCalls(bytes, bytesOfCall);
      expect(damages).toEqual([]);
      expect(calls).toBeGreaterThan(bytes.length / (bytesOfCall + pieceBytes) - 1);
    },
  );

  it('names the damages of all calls, as one call does', async () => {
    const content = damaged();
    const { damages } = await verifyBundle({ reader: new CountingReader(content) }, { companions });
    expect(damages.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('it is not the planned entry'),
      'its bytes have another digest',
      'the tar does not end with zeros',
      'its sum is not the one in the file of sums',
    ]);
    expect((await inCalls(content, 300_000)).damages).toEqual(damages);
  });

  it('reads everything again when the data was replaced', async () => {
    const same = await inCalls(bytes, 5_000_000);
    const replaced = await inCalls(bytes, 5_000_000, ['1', '2']);
    expect(replaced.damages).toEqual([]);
    expect(replaced.calls).toBe(same.calls + 1);
  });
});

describe('a bundle that is opened', () => {
  it('has none of its blobs read: what comes before them twice, and its manifests once more', async () => {
    const reader = new CountingReader(bytes);
    const { document } = await openBundle({ reader });
    const manifests = new Set(document.images.map(({ digest }) => `blobs/${digest.replace(':', '/')}`));
    const [, , own] = entries;
    const head = own?.end ?? 0;
    const blobs = entries.filter(({ size }) => size > 30_000);
    expect(manifests.size).toBeGreaterThan(3);
    expect(
      blobs.filter(({ content, size }) =>
        reader.ranges.some(([start, end]) => start < content + size && end > content),
      ),
    ).toEqual([]);
    expect(reader.bytes).toBeLessThan(2 * head + 100_000);
    expect(reader.bytes).toBeLessThan(bytes.length / 20);
  });
});
