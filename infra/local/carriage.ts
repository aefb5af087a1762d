import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FactoryError } from '../../functions/errors.ts';
import { noBundle } from '../../functions/settings/bundle-address.ts';
import { formatNeeds, parseImageList } from '../../functions/settings/needs.ts';
import { decodeText, TextError } from '../../functions/text/plain-text.ts';
import type { RunDocuments } from '../../functions/state/run-documents.ts';
import { reasonOf } from './file-failure.ts';
import { writeReportFile } from './report-files.ts';

/** The options of the commands that carry images between networks. */
export interface CarriageOptions {
  /** The place that `export` writes the bundle to. */
  to?: string;
  /** The place that `import`, `verify` and `plan` read the bundle from. */
  from?: string;
  /** The list of the images to export. */
  images?: string;
  /** The file that `plan` writes the images to that the Harness here needs. */
  needs?: string;
  /** The folder for reports. */
  out?: string;
}

/** Returns the keys of the execution input that the options stand for. Throws `InvalidInput`. */
export async function inputOf(options: CarriageOptions, signal: AbortSignal): Promise<Record<string, unknown>> {
  const { to, from, images, needs } = options;
  const bundle = to ?? from ?? (needs === undefined ? undefined : noBundle);
  return {
    ...(bundle !== undefined && { bundle }),
    ...(images !== undefined && parseImageList(await readText(images, '--images', signal), basename(images))),
  };
}

/** Writes the files that the options name, after the run. Throws `InvalidInput`. */
export async function writeCarriage(documents: RunDocuments, { needs, out }: CarriageOptions): Promise<void> {
  const needed = await documents.needs.find();
  if (needed === undefined) return;
  const text = formatNeeds(needed);
  if (needs !== undefined) await writeText(needs, '--needs', text);
  if (out !== undefined) await writeText(join(out, 'needs.json'), '--out', text);
}

async function writeText(path: string, option: string, text: string): Promise<void> {
  const failure = await writeReportFile(dirname(path), basename(path), () => text);
  if (failure === undefined) return;
  throw new FactoryError('InvalidInput', `${option}: ${failure}`, {
    hint: `Name a file in a folder that exists and can be written with ${option}, and run the command again.`,
  });
}

/** The maximum size of a list in bytes. That of Harness's own release has 260 lines. */
const limit = 16 * 1024 * 1024;

/** Reads a whole file that an option names. Throws `InvalidInput`. */
async function readText(path: string, option: string, signal: AbortSignal): Promise<string> {
  const invalid = (message: string, hint: string, cause?: unknown) =>
    new FactoryError('InvalidInput', `${option} ${path}: ${message}`, { hint, cause });
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > limit) throw invalid('it is larger than 16 MiB', 'Name a list of images, a receipt or a bundle.json.');
    return decodeText(await file.readFile({ signal }));
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof FactoryError) throw cause;
    if (cause instanceof TextError) throw invalid(`it is ${cause.message}`, 'Save the file as UTF-8.', cause);
    throw invalid(reasonOf(cause), 'Name a readable file.', cause);
  }
}
