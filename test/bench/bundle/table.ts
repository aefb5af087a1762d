import prettyBytes from 'pretty-bytes';
import type { BundleBenchResult } from './bench.ts';
import { verdicts } from './gates.ts';
import { sets } from './sets.ts';
import { bestPeer, type BundleRow, type Work, works } from './works.ts';

const head = 'Set,RTT,Work,Tool,Wall,CPU,Peak RSS,Temporary,Bytes out,Blobs,Requests,Wall / best peer'.split(',');
/** The columns of words. The others are numbers. */
const words = new Set([0, 2, 3]);

/** Renders the result as a table in Markdown, and the gates, what was measured and the tools below it. */
export function tableOf({ rows, contents, legend, missing, isFull }: BundleBenchResult): string {
  const cells = [head, ...rows.map((row) => cellsOf(row, bestPeer(rows, row)))];
  const widths = head.map((_, column) => Math.max(3, ...cells.map((line) => line[column]?.length ?? 0)));
  const padded = cells.map((line) =>
    line.map((cell, column) =>
      words.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    ),
  );
  const rule = widths.map((width, column) => (words.has(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  const [titles = [], ...body] = padded;
  const list = (items: readonly string[]) => items.map((item) => `- ${item}`);
  const known = (Object.keys(works) as Work[]).filter((work) => rows.some((row) => row.work === work));
  return [
    ...[titles, rule, ...body].map((line) => `| ${line.join(' | ')} |`),
    '',
    ...list(verdicts(rows, { contents, isFull })),
    '',
    ...Object.entries(contents).map(
      ([set, { images, manifests, blobs, bytes }]) =>
        `- ${set}: ${sets[set as keyof typeof sets].about}: ${images} images, ${manifests + blobs} manifests and blobs, ${size(bytes)}`,
    ),
    ...list(known.map((work) => `${work}: ${works[work]}`)),
    ...list(legend),
    ...rows.flatMap(({ set, work, rttMs, contender, failure }) =>
      failure === undefined ? [] : [`- failed: ${set}, ${work}, ${rttMs} ms, ${contender}: ${failure}`],
    ),
    ...(missing.length > 0 ? [`- Not on PATH: ${missing.join(', ')}; see --help.`] : []),
    '',
  ].join('\n');
}

function cellsOf({ set, work, rttMs, contender, measurement }: BundleRow, best: number | undefined): string[] {
  const name = [set, String(rttMs), work, contender];
  if (!measurement) return [...name, 'failed', ...head.slice(name.length + 1).map(() => '')];
  const { wallMs, cpuMs, peakBytes, temporaryBytes, bytesOut, blobs, requests } = measurement;
  return [
    ...name,
    (wallMs / 1000).toFixed(2),
    (cpuMs / 1000).toFixed(2),
    prettyBytes(peakBytes, { binary: true, maximumFractionDigits: 0 }),
    size(temporaryBytes),
    size(bytesOut),
    String(blobs),
    String(requests),
    best === undefined ? '' : (wallMs / best).toFixed(2),
  ];
}

function size(bytes: number): string {
  return prettyBytes(bytes, { binary: true, minimumFractionDigits: 1, maximumFractionDigits: 1 });
}
