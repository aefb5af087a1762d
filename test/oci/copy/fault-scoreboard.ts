import { table } from '../../../infra/local/table.ts';
import { faultMatrix, meet, mirror, sent, sizeOf } from './fault-matrix.ts';

/** Meets every fault of the matrix once, and prints what came of it. Exits 1 unless each copy arrived whole. */
const lines: string[][] = [];
let whole = 0;
for (const row of faultMatrix) {
  const { image } = row;
  const { from, to, error } = await meet(row);
  const blobs = [...image.blobs.keys()].every((digest) => to.storage.blob(mirror, digest));
  const arrived = error === undefined && blobs && to.storage.resolve(mirror, '1') === image.digest;
  if (arrived) whole++;
  const outcome = arrived ? 'whole' : error instanceof Error ? error.message : 'not whole';
  const received = to.requests.reduce((sum, { path, bytesIn }) => sum + (path.includes('/blobs/') ? bytesIn : 0), 0);
  const ratios = [sent(from), received].map((bytes) => (bytes / sizeOf(image)).toFixed(2));
  const requests = String(from.requests.length + to.requests.length);
  lines.push([row.side, row.way, row.fault, outcome, ...ratios, requests]);
}
console.log(table(['At', 'Sent by', 'Fault', 'Outcome', 'Read', 'Written', 'Requests'], lines));
console.log(
  `\n${whole} of ${faultMatrix.length} whole. Read, written: bytes of blobs by those of the image, which is once.`,
);
process.exitCode = whole === faultMatrix.length ? 0 : 1;
