import type { LambdaBenchResult, StartUp } from './bench.ts';

const columns: [string, (start: StartUp) => string][] = [
  ['Function', ({ task }) => task],
  ['Bundle', ({ bytes }) => kilobytes(bytes)],
  ['Budget', ({ budget }) => kilobytes(budget)],
  ['Within', ({ bytes, budget }) => (bytes <= budget ? 'yes' : 'NO')],
  ['Memory', ({ memoryMiB }) => `${memoryMiB} MiB`],
  ['Init', ({ initMs }) => `${initMs.toFixed(0)} ms`],
  ['First call', ({ firstMs }) => `${firstMs.toFixed(0)} ms`],
  ['Second', ({ secondMs }) => `${secondMs.toFixed(0)} ms`],
  ['RSS', ({ rssMiB }) => `${rssMiB.toFixed(0)} MiB`],
];

/** Markdown tables, and what their columns mean. */
export function lambdaTable({ runtimeClient, startUps, copy }: LambdaBenchResult): string {
  const rows = [
    columns.map(([title]) => title),
    columns.map(([title]) => (title === 'Function' ? '---' : '---:')),
    ...startUps.map((start) => columns.map(([, cell]) => cell(start))),
  ];
  return [
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `Each in a process of its own, started by ${runtimeClient}. Init: from the start of the process until it asks for an`,
    'event. First call: of an event that ends at once; it loads what the function needs. These are milliseconds of this',
    'machine with all of a processor; Lambda adds the start of a sandbox.',
    '',
    `Copy of ${copy.mebibytes} MiB, TLS on both sides, docker-registry on loopback: ${copy.cpuSecondsPerGiB.toFixed(2)} CPU s per GiB,`,
    `${(copy.mebibytes / copy.wallSeconds).toFixed(0)} MiB/s, peak RSS ${copy.peakRssMiB.toFixed(0)} MiB.`,
  ].join('\n');
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(0)} kB`;
}
