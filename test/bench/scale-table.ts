import { checkpointBytes, type Scale } from './scale.ts';

const columns: [string, (scale: Scale) => string][] = [
  ['Images', ({ images }) => String(images)],
  ['Waves', ({ waves }) => waves.join(' + ')],
  ['Planner', ({ planMs }) => `${planMs.toFixed(1)} ms`],
  ['Requests: source', ({ requests, images }) => perImage(requests.source, images)],
  ['target', ({ requests, images }) => perImage(requests.target, images)],
  ['nothing changed', ({ requestsUnchanged, images }) => perImage(requestsUnchanged, images)],
  ['Moved / unique', ({ overhead }) => overhead.toFixed(4)],
  ['Workflow state', ({ stateBytes }) => kilobytes(stateBytes)],
  ['Events', ({ historyEvents }) => String(historyEvents)],
  ['Plan', ({ planBytes }) => kilobytes(planBytes)],
  ['Report', ({ reportBytes }) => kilobytes(reportBytes)],
  ['Wall', ({ wallMs }) => `${(wallMs / 1000).toFixed(1)} s`],
];

/** A Markdown table, and what its columns mean. */
export function scaleTable(results: readonly Scale[]): string {
  const rows = [
    columns.map(([title]) => title),
    columns.map(() => '---:'),
    ...results.map((scale) => columns.map(([, cell]) => cell(scale))),
  ];
  return [
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    'Requests: all, and per image. Planner: dividing images into waves. Moved / unique: bytes of blobs sent, each image',
    'copied by one of eight processes that share no memory, by those of the blobs, each counted once. Workflow state: the',
    'most that Step Functions carries (262 144 bytes are allowed). Events: of the execution (25 000 are allowed; a run',
    'refuses more than 1 000 copies). Plan, report: documents in the object store. Wall: planning, copying and reporting,',
    'against two registries in the same process.',
    '',
    '| Blobs of an image | Checkpoint |',
    '| ---: | ---: |',
    ...[10, 100, 1_000, 20_000].map((blobs) => `| ${blobs} | ${checkpointBytes(blobs)} B |`),
  ].join('\n');
}

function perImage(requests: number, images: number): string {
  return `${requests} (${(requests / images).toFixed(1)})`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
