import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import { type Digest, isDigest } from '../oci/spec/digest.ts';
import { isObject, parseJson } from '../text/json.ts';
import { type BundleDocument, parseDocument } from './document.ts';

/** The format of a receipt. A release reads this one only. */
export const receiptSchema = 'harness-ci-image-factory/receipt/v1';

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), { error: 'no digest' });

/** The content of a registry after an import, for the side that exports: `receipt.json`. */
export const receipt = z.object({
  schema: z.literal(receiptSchema),
  /** The id of the bundle that was imported. */
  bundle: z.string().max(1_024),
  createdAt: z.iso.datetime(),
  /** The manifests and blobs that were verified, by the repository that has them, without the name of the registry. */
  repositories: z.array(z.object({ repository: z.string().max(1_024), digests: z.array(digest) })),
});
export type Receipt = z.output<typeof receipt>;

/** Returns the text of `receipt.json`. */
export function formatReceipt(document: Receipt): string {
  const { schema, bundle, createdAt, repositories } = document;
  return `${JSON.stringify({ schema, bundle, createdAt, repositories }, null, 2)}\n`;
}

/** Content that a new bundle leaves out. */
export interface Base {
  readonly base: BundleDocument['base'][number];
  readonly digests: ReadonlySet<Digest>;
}

/**
 * Reads a receipt, or the document of an older bundle: nobody knows whether that one arrived, so its content is assumed.
 *
 * @param place Named in errors.
 * @throws {FactoryError} `InvalidInput`, `BundleInvalid`
 */
export function parseBase(bytes: Uint8Array, place: string): Base {
  const value = jsonOf(bytes, place);
  const schema = isObject(value) ? value['schema'] : undefined;
  if (typeof schema !== 'string' || !schema.startsWith('harness-ci-image-factory/receipt/')) {
    const { id, blobs, absent } = parseDocument(bytes, place);
    const digests = [...blobs.map(([blob]) => blob), ...absent.filter(isHeld).map((blob) => blob.digest)];
    return { base: { id, kind: 'assumed' }, digests: new Set(digests) };
  }
  if (schema !== receiptSchema)
    throw invalid(`${place} was made by a newer factory: its schema is "${schema}"`, 'Use the release that wrote it.');
  const parsed = receipt.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(
      `${place} is not a receipt: ${issue?.path.join('.')}: ${issue?.message}`,
      'Carry receipt.json again.',
    );
  }
  const { bundle: id, repositories } = parsed.data;
  return { base: { id, kind: 'receipt' }, digests: new Set(repositories.flatMap(({ digests }) => digests)) };
}

/** Returns whether the target has a blob that the bundle left out. Foreign layers are elsewhere. */
function isHeld({ reason }: BundleDocument['absent'][number]): boolean {
  return reason === 'base';
}

function jsonOf(bytes: Uint8Array, place: string): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(
      `${place} is not JSON`,
      'Name receipt.json of an import, or NAME.bundle.json of an older bundle.',
      cause,
    );
  }
}

function invalid(message: string, hint: string, cause?: unknown): FactoryError {
  return new FactoryError('InvalidInput', message, { hint, cause });
}
