import { describe, expect, it } from '@jest/globals';
import { available } from '../../real-parts.ts';
import { program } from '../registry.ts';
import { benchBundles } from './bench.ts';
import { verdicts } from './gates.ts';
import { tableOf } from './table.ts';
import { bestPeer, type BundleMeasurement, type BundleRow, type Work } from './works.ts';

const present = available(program);

(present ? it : it.skip)(
  `the benchmark of bundles measures the library at every work, and the floor${present ? '' : ` (not on PATH: ${program})`}`,
  async () => {
    const works = [
      'export-folder',
      'export-again',
      'export-tar',
      'export-delta',
      'import-folder',
      'import-tar',
    ] as const;
    const result = await benchBundles({
      sets: ['A'],
      works,
      rtts: [1],
      repeat: 1,
      scale: 0.001,
      peers: ['engine', 'floor'],
      plain: true,
      trial: true,
    });
    const library = result.rows.filter(({ family }) => family === 'engine');
    expect(library.map(({ work }) => work)).toEqual(works);
    expect(result.rows.map(({ failure }) => failure)).toEqual([undefined, ...works.map(() => undefined)]);
    // As the study has it: 192 manifests and blobs of 31 images.
    expect(result.contents.A).toMatchObject({ images: 31, manifests: 39, blobs: 153 });
    const blobs = library.map(({ measurement }) => measurement?.blobs);
    expect(blobs).toEqual([153, 0, 153, 0, 153, 153]);
    const floor = result.rows.find(({ family }) => family === 'floor');
    expect(floor).toMatchObject({ work: 'export-folder', measurement: { blobs: 153, requests: 192 } });
    // Nobody uses it, so it is no peer.
    expect(bestPeer(result.rows, floor as BundleRow)).toBeUndefined();
    const sent = result.rows.find(({ work }) => work === 'import-tar')?.measurement?.bytesOut;
    expect(sent).toBe(result.contents.A?.blobBytes);
    const table = tableOf(result);
    for (const work of works)
      expect(table).toMatch(new RegExp(`^\\| A +\\| +1 \\| ${work} +\\| ours \\(engine alone\\) \\|`, 'm'));
    const decided = verdicts(result.rows, result).filter((line) => !line.includes('RSS'));
    expect(decided.filter((line) => line.startsWith('FAILS'))).toEqual([]);
  },
  120_000,
);

describe('a gate of bundles', () => {
  const content = { images: 31, manifests: 39, blobs: 153, bytes: 1_000_000, blobBytes: 900_000 };
  const row = (work: Work, more: Partial<BundleMeasurement> = {}, rest: Partial<BundleRow> = {}): BundleRow => ({
    set: 'A',
    work,
    rttMs: 0,
    contender: 'ours',
    family: 'ours',
    measurement: {
      wallMs: 1_000,
      cpuMs: 1,
      peakBytes: 1,
      temporaryBytes: 0,
      bytesOut: 900_000,
      blobs: 153,
      requests: 62,
      ...more,
    },
    ...rest,
  });
  const failing = (...rows: BundleRow[]) =>
    verdicts(rows, { contents: { A: content }, isFull: true }).filter((line) => line.startsWith('FAILS'));

  it.each<[string, Work, Partial<BundleMeasurement>, Partial<BundleMeasurement>]>([
    ['seconds', 'export-tar', { wallMs: 3_000 }, { wallMs: 3_010 }],
    ['seconds', 'import-tar', { wallMs: 6_000 }, { wallMs: 6_010 }],
    ['bytes of the bundle', 'export-tar', { bytesOut: 1_262_144 }, { bytesOut: 1_262_145 }],
    ['blobs read', 'export-folder', { blobs: 153 }, { blobs: 154 }],
    ['blobs read', 'export-again', { blobs: 0 }, { blobs: 1 }],
    ['requests per image', 'export-again', { blobs: 0, requests: 62 }, { blobs: 0, requests: 63 }],
    ['bytes of the bundle', 'export-delta', { bytesOut: 192_512 }, { bytesOut: 192_513 }],
    ['uploads', 'import-folder', { blobs: 153 }, { blobs: 154 }],
    ['bytes sent over unique bytes', 'import-tar', { bytesOut: 918_000 }, { bytesOut: 918_001 }],
    ['temporary disk', 'import-tar', { temporaryBytes: 1024 ** 2 }, { temporaryBytes: 1024 ** 2 + 1 }],
    ['peak RSS', 'import-tar', { peakBytes: 160 * 1024 ** 2 }, { peakBytes: 160 * 1024 ** 2 + 1 }],
  ])('a gate limits the %s of %s', (what, work, holding, broken) => {
    expect(failing(row(work, holding))).toEqual([]);
    expect(failing(row(work, broken))).toEqual([expect.stringContaining(`${work}, 0 ms, ours: ${what}`)]);
  });

  it('a gate compares an export with added round trip time with that of crane', () => {
    const slow = (contender: string, wallMs: number) =>
      row('export-folder', { wallMs }, { rttMs: 20, contender, family: contender });
    expect(failing(slow('ours', 9_000), slow('crane', 9_000))).toEqual([]);
    expect(failing(slow('ours', 9_100), slow('crane', 9_000))).toEqual([
      'FAILS: A, export-folder, 20 ms, ours: time over that of crane to a folder 1.01, at most 1',
    ]);
  });
});
