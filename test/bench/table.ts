import prettyBytes from 'pretty-bytes';
import { table } from '../../infra/local/table.ts';
import type { BenchResult } from './bench.ts';
import { verdicts } from './gates.ts';
import { bestPeer, type Row } from './rows.ts';
import { workloads } from './workloads.ts';

const head = 'Workload,RTT,Tool,Protocol,Wall,CPU,Peak RSS,Req source,Req target,Moved,Wall / best peer'.split(',');
/** The first column of numbers, which are aligned to the right. */
const firstNumber = 4;

/** Renders the result as a table, with the meaning of its columns and rows below it. */
export function tableOf({ rows, scheme, legend, missing }: BenchResult): string {
  const lines = rows.map((row) => cellsOf(row, bestPeer(rows, row)));
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)));
  const aligned = [head, ...lines].map((line) =>
    line.map((cell, column) => (column < firstNumber ? cell : cell.padStart(widths[column] ?? 0))),
  );
  const [titles = [], ...body] = aligned;
  const used = [...new Set(rows.map(({ workload }) => workload))];
  return [
    table(titles, body),
    '',
    ...verdicts(rows, scheme),
    '',
    ...used.map((workload) => `${workload}: ${workloads[workload].about}.`),
    `The registries speak ${scheme === 'https' ? 'TLS' : 'plain HTTP'}. Wall s, CPU s over all processes, peak RSS of the largest; the run of median`,
    'wall time. Moved: blob bytes that the source sent. RTT ms added to every server, Harness too. Ratios hold within',
    'this table only.',
    ...legend,
    ...rows.flatMap(({ workload, rttMs, peer, failure }) =>
      failure === undefined ? [] : [`failed: ${workload}, ${rttMs} ms, ${peer}: ${failure}`],
    ),
    ...(missing.length > 0 ? [`Not on PATH: ${missing.join(', ')}; see --help.`] : []),
    '',
  ].join('\n');
}

function cellsOf({ workload, rttMs, peer, measurement }: Row, best: number | undefined): string[] {
  const name = [workload, String(rttMs), peer];
  if (!measurement) return [...name, 'failed', ...head.slice(name.length + 1).map(() => '')];
  const { wallMs, cpuMs, peakBytes, requests, bytesMoved, protocols } = measurement;
  return [
    ...name,
    protocols.join(' '),
    seconds(wallMs),
    seconds(cpuMs),
    prettyBytes(peakBytes, { binary: true, maximumFractionDigits: 0 }),
    String(requests.source),
    String(requests.target),
    prettyBytes(bytesMoved, { binary: true, minimumFractionDigits: 1, maximumFractionDigits: 1 }),
    best === undefined ? '' : (wallMs / best).toFixed(2),
  ];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
