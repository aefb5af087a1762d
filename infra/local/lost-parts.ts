import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { planBundleTar } from '../../functions/bundle/bundle-files.ts';
import { parseBundleAddress } from '../../functions/bundle/carrier.ts';
import { type BundleDocument, encodeDocument } from '../../functions/bundle/document.ts';
import { fileCarrier, fileCompanions, findPartBytes } from '../../functions/bundle/file-carrier.ts';
import { readSums, sumOf } from '../../functions/bundle/file-sums.ts';
import { findParts } from '../../functions/bundle/write-parts.ts';
import { FactoryError } from '../../functions/errors.ts';
import { reasonOf } from './file-failure.ts';

/** The parts of a bundle that an export makes again. */
export interface LostParts {
  readonly document: BundleDocument;
  readonly partBytes: number;
  /** Those to write: parts that are there and right are not among them. */
  readonly numbers: readonly number[];
  /** sha256 of the parts as they were, by their numbers; empty where no file of sums is there. */
  readonly sums: ReadonlyMap<number, string>;
  /** Bytes to write. */
  readonly bytes: number;
  /** Says what is done about each part that is there. */
  readonly notes: readonly string[];
}

interface Wanted {
  /** The place of the parts: `NAME.tar`. */
  readonly to: string;
  /** The path of the document, beside which the file of sums may be. */
  readonly plan: string;
  readonly document: BundleDocument;
  readonly parts: readonly number[];
  readonly partSize?: number | undefined;
}

/** Compares the parts that `--parts` names with the file of sums. Writes nothing. Throws `InvalidInput`. */
export async function findLostParts(wanted: Wanted, signal: AbortSignal): Promise<LostParts> {
  const { to, document, parts } = wanted;
  if (parseBundleAddress(to).kind !== 'tar') {
    throw invalid(
      `--parts writes files NAME.tar.001, NAME.tar.002, …, and --to is ${to}`,
      'Name a file NAME.tar with --to.',
    );
  }
  const { size } = planBundleTar(document);
  const sums = await readPartSums(wanted);
  const partBytes = await partBytesOf(wanted, size, sums);
  const carrier = fileCarrier(to, { partBytes });
  const lost: number[] = [];
  const notes: string[] = [];
  let bytes = 0;
  for (const [number, { name, start, end }] of findParts(carrier, size, parts)) {
    const path = join(dirname(to), name);
    const found = await sumOfFile(path, signal);
    if (found !== undefined && sums.size === 0)
      throw invalid(
        `${path} is there, and no file of sums tells whether it is right`,
        'Delete or move it, or put NAME.sha256 beside NAME.bundle.json.',
      );
    if (found !== undefined && found === sums.get(number)) {
      notes.push(`${path} is there, and has its sum: it is left alone`);
      continue;
    }
    if (found !== undefined) notes.push(`${path} is there, and has another sum: it is written again`);
    lost.push(number);
    bytes += end - start;
  }
  return { document, partBytes, numbers: lost, sums, bytes, notes };
}

/** Reads the sums of the parts, beside the parts or beside the document; empty when there are none. */
async function readPartSums({ to, plan, document }: Wanted): Promise<Map<number, string>> {
  const found = (await readSums(fileCompanions(to))) ?? (await readSums(fileCompanions(tarBeside(plan))));
  if (!found) return new Map();
  const all = [...found];
  const ofDocument = all.find(([name]) => name.endsWith('.bundle.json'));
  if (ofDocument?.[1] !== sumOf(encodeDocument(document)))
    throw invalid(
      `the file of sums is not that of the bundle ${document.id}`,
      'Name the NAME.bundle.json that was exported with these parts with --plan.',
    );
  const sums = all.flatMap(([name, sum]) => {
    const [, number] = /\.tar\.(\d+)$/.exec(name) ?? [];
    return number === undefined ? [] : [[Number(number), sum] as const];
  });
  if (sums.length === 0)
    throw invalid(
      'the file of sums lists no parts: the bundle is one file',
      'Export the bundle again without --parts.',
    );
  return new Map(sums);
}

async function partBytesOf(
  { to, plan, partSize }: Wanted,
  size: number,
  sums: ReadonlyMap<number, string>,
): Promise<number> {
  const count = sums.size > 0 ? sums.size : undefined;
  const found =
    partSize ??
    (count === 1 ? size : undefined) ??
    (await findPartBytes(to, size, count)) ??
    (await findPartBytes(tarBeside(plan), size, count));
  if (found === undefined)
    throw invalid(
      `the size of the parts of ${to} is unknown: too few are there`,
      'Name it with --part-size, as at the first export.',
    );
  if (count !== undefined && Math.ceil(size / found) !== count)
    throw invalid(
      `parts of ${found} bytes would be ${Math.ceil(size / found)}, and the file of sums lists ${count}`,
      'Name the size of the first export with --part-size.',
    );
  return found;
}

/** Returns the path of the tar of a document `NAME.bundle.json`. */
function tarBeside(plan: string): string {
  return join(dirname(plan), `${basename(plan).replace(/\.bundle\.json$/, '')}.tar`);
}

async function sumOfFile(path: string, signal: AbortSignal): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash, { signal });
    return hash.digest('hex');
  } catch (cause) {
    signal.throwIfAborted();
    if (Object(cause).code === 'ENOENT') return undefined;
    throw invalid(`${path} cannot be read: ${reasonOf(cause)}`, 'Make it readable, or delete it.', cause);
  }
}

function invalid(message: string, hint: string, cause?: unknown): FactoryError {
  return new FactoryError('InvalidInput', message, { hint, cause });
}
