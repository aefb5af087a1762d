import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BundleDocument, parseDocument } from '../../functions/bundle/document.ts';
import { formatReceipt, parseBase } from '../../functions/bundle/receipt.ts';
import type { Bundles } from '../../functions/runtime/bundles.ts';
import { FactoryError } from '../../functions/errors.ts';
import { nameAtSource } from '../../functions/settings/bundle-names.ts';
import { noBundle, stream } from '../../functions/settings/bundle-address.ts';
import { carriesBundle, usesHarness } from '../../functions/settings/carriage.ts';
import type { Configuration } from '../../functions/settings/configuration.ts';
import { formatNeeds, parseImageList } from '../../functions/settings/needs.ts';
import { render } from '../../functions/settings/problems.ts';
import { decodeText, TextError } from '../../functions/text/plain-text.ts';
import type { Report } from '../../functions/state/documents.ts';
import type { Document, RunDocuments } from '../../functions/state/run-documents.ts';
import { reasonOf } from './file-failure.ts';
import type { LostParts } from './lost-parts.ts';
import { prepareReportFile, writeReportFile } from './report-files.ts';

/** The options of the commands that carry images between networks. */
export interface CarriageOptions {
  /** The place that `export` writes the bundle to. */
  to?: string;
  /** The place that `import`, `verify` and `plan` read the bundle from. */
  from?: string;
  /** The list of the images to export. */
  images?: string;
  /** Receipts or documents of earlier bundles. */
  base?: string[];
  partSize?: number;
  /** The document of an earlier bundle, and the numbers of its parts to make again. */
  plan?: string;
  parts?: number[];
  receipt?: string;
  /** The key that signs a bundle, and the public key that its signature must have. */
  sign?: string;
  verifyKey?: string;
  /** The file that `plan` writes the images to that the Harness here needs. */
  needs?: string;
  /** The folder for reports. */
  out?: string;
}

export function addExportOptions(command: Command): Command {
  return command
    .requiredOption('--to <place>', 'the bundle: a folder, a file NAME.tar, s3://BUCKET/KEY, or - for standard output')
    .option(
      '--images <file>',
      'the images: one name on each line with # comments, or needs.json; without it, Harness says',
    )
    .option('--base <file>', 'leave out what a receipt or an older NAME.bundle.json lists; may be repeated', collect)
    .option('--part-size <size>', 'cut NAME.tar into parts, such as 4000MB or 4GiB', size)
    .option('--sign <key>', 'sign the bundle: a private key in PEM, or awskms:ARN')
    .addOption(
      new Option(
        '--plan <file>',
        'make lost parts again, with --parts: the NAME.bundle.json of their bundle',
      ).conflicts(['images', 'base', 'sign']),
    )
    .option('--parts <numbers>', 'the parts to make again, such as 7,9; nothing else is written', partNumbers);
}

export function addImportOptions(command: Command): Command {
  return command
    .requiredOption('--from <place>', 'the bundle: a folder, a file NAME.tar, or s3://BUCKET/KEY')
    .option('--receipt <file>', 'write what the registry has now, for the next "factory export --base"')
    .addOption(verifyKeyOption());
}

/** Returns the option for the public key that bundles must be signed with. */
export function verifyKeyOption(): Option {
  return new Option('--verify-key <file>', 'refuse a bundle without a signature of this public key, in PEM');
}

/** Returns the bundles of a command. Reads the files that its options name. Throws `InvalidInput`, `InvalidConfiguration`. */
export async function bundlesFor(options: CarriageOptions, signal: AbortSignal): Promise<Bundles> {
  const { partSize, base = [], sign, verifyKey } = options;
  const lost = await lostPartsOf(options, signal);
  const [{ LocalBundles }, { openSigner, openVerifyKey }] = await Promise.all([
    import('./bundles.ts'),
    import('./bundle-keys.ts'),
  ]);
  const bases = await Promise.all(
    base.map(async (file) => parseBase(Buffer.from(await readText(file, '--base', signal)), file)),
  );
  return new LocalBundles({
    partBytes: lost?.partBytes ?? partSize,
    lost,
    bases,
    signer: sign === undefined ? undefined : await openSigner(sign),
    verifyKey: verifyKey === undefined ? undefined : await openVerifyKey(verifyKey),
  });
}

/** Returns the keys of the execution input that the options stand for. Throws `InvalidInput`. */
export async function inputOf(options: CarriageOptions, signal: AbortSignal): Promise<Record<string, unknown>> {
  const { to, from, images, needs } = options;
  const document = await readPlan(options, signal);
  const bundle = to ?? from ?? (needs === undefined ? undefined : noBundle);
  return {
    ...(bundle !== undefined && { bundle }),
    ...(images !== undefined && parseImageList(await readText(images, '--images', signal), basename(images))),
    ...(document && {
      images: document.images.map((image) => nameAtSource(image, document.policy)),
      ...(document.policy.platforms.length > 0 && { platforms: document.policy.platforms }),
    }),
  };
}

/** Refuses options that the run would ignore. Throws `InvalidInput`. */
export function refuseIdleOptions(
  { verifyKey, sign, needs }: CarriageOptions,
  input: Readonly<Record<string, unknown>>,
  configuration: Configuration,
): void {
  const refuse = (message: string, hint: string) => {
    throw new FactoryError('InvalidInput', message, { hint });
  };
  if (verifyKey !== undefined && !carriesBundle(input))
    refuse(
      '--verify-key checks the signature of a bundle, and no bundle is named',
      'Name the bundle with --from, or leave --verify-key out.',
    );
  if (sign !== undefined && input['bundle'] === stream)
    refuse(
      '--sign writes a file beside the bundle, and nothing is beside standard output',
      'Name a file NAME.tar with --to, and carry NAME.sig with it; or leave --sign out.',
    );
  if (needs !== undefined && !usesHarness(input, configuration))
    refuse(
      '--needs writes the images that Harness needs, and HARNESS_API_KEY is missing',
      'Set HARNESS_API_KEY, or leave --needs out.',
    );
}

/** Reads the document that `--plan` names. Throws `InvalidInput`, `BundleInvalid`. */
async function readPlan({ plan, parts }: CarriageOptions, signal: AbortSignal): Promise<BundleDocument | undefined> {
  if (plan === undefined && parts === undefined) return undefined;
  if (plan !== undefined && parts !== undefined)
    return parseDocument(Buffer.from(await readText(plan, '--plan', signal)), plan);
  throw plan === undefined
    ? new FactoryError('InvalidInput', '--parts makes parts of an earlier bundle again, and --plan is missing', {
        hint: 'Name the document of that bundle: --plan NAME.bundle.json. --part-size cuts a new bundle into parts.',
      })
    : new FactoryError('InvalidInput', '--plan makes parts of an earlier bundle again, and --parts is missing', {
        hint: 'Name the parts that were lost: --parts 7,9.',
      });
}

async function lostPartsOf(options: CarriageOptions, signal: AbortSignal): Promise<LostParts | undefined> {
  const { to, plan, parts, partSize } = options;
  const document = await readPlan(options, signal);
  if (!document || to === undefined || plan === undefined || parts === undefined) return undefined;
  const { findLostParts } = await import('./lost-parts.ts');
  return findLostParts({ to, plan, document, parts, partSize }, signal);
}

/** Tests that the files that the options name can be written after the run. Throws `InvalidInput`. */
export async function prepareCarriage({ needs, receipt }: CarriageOptions): Promise<void> {
  if (needs !== undefined) await prepareReportFile('--needs', needs);
  if (receipt !== undefined) await prepareReportFile('--receipt', receipt);
}

/** Writes the files that the options name. Returns failures as warnings: the run is over, and its outcome stays. */
export async function writeCarriage(
  documents: RunDocuments,
  { status }: Pick<Report, 'status'>,
  { needs, receipt, out }: CarriageOptions,
): Promise<string[]> {
  // A plan stores no list where the bundle has everything. A list of before must not stay.
  const nothing = status === 'SUCCEEDED' ? { images: [] } : undefined;
  const written = await Promise.all([
    writeFound('--needs', needs, documents.needs, formatNeeds, nothing),
    writeFound('--out', out === undefined ? undefined : join(out, 'needs.json'), documents.needs, formatNeeds),
    writeFound('--receipt', receipt, documents.receipt, formatReceipt),
  ]);
  return written.filter((warning) => warning !== undefined);
}

/** Writes a document of the run, or else `absent`, to the file of an option. Returns a failure as a warning. */
async function writeFound<T extends U, U>(
  option: string,
  path: string | undefined,
  document: Document<T>,
  format: (found: U) => string,
  absent?: U,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    const stored = await document.find();
    const found = stored ?? absent;
    // A run that failed may have learned or verified nothing.
    if (found === undefined) return undefined;
    const failure = await writeReportFile(dirname(path), basename(path), () => format(found));
    const place = stored ? `; ${document.location} has the same` : '';
    return failure && `${option}: ${failure}${place}`;
  } catch (error) {
    return `${option}: cannot write ${path}: ${FactoryError.from(error).message}`;
  }
}

/** The maximum size of a list, or of a bundle.json, in bytes. The list of Harness's own release has 260 lines. */
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

/** Parses `7,9`. */
function partNumbers(text: string): number[] {
  const numbers = text.split(',').map((number) => number.trim());
  if (!numbers.every((number) => /^0*[1-9]\d{0,5}$/.test(number)))
    throw new InvalidArgumentError(`Pass numbers of parts from 1, such as 7,9, not ${render(text)}.`);
  return [...new Set(numbers.map(Number))].toSorted((a, b) => a - b);
}

function collect(path: string, paths: string[] = []): string[] {
  return [...paths, path];
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
};
const smallestPart = 1024 * 1024;

/** Parses `4000MB`, `4GiB` or a number of bytes. */
function size(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,15})\s*([KMG]i?B)?$/i.exec(text.trim()) ?? [];
  const bytes = Number(digits) * (units[unit.toUpperCase()] ?? Number.NaN);
  if (digits === '' || !Number.isSafeInteger(bytes))
    throw new InvalidArgumentError(`Pass a size such as 4000MB or 4GiB, not ${render(text)}.`);
  if (bytes < smallestPart) throw new InvalidArgumentError('Pass at least 1MiB.');
  return bytes;
}
