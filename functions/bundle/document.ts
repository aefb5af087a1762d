import { createHash } from 'node:crypto';
import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import { isDigest } from '../oci/spec/digest.ts';
import { formatReference, parseReference } from '../oci/spec/reference.ts';
import { parseJson } from '../text/json.ts';
import { printable } from '../text/printable.ts';
import { canonicalJson } from './canonical-json.ts';

/** The format of a bundle. A release reads this one only. */
export const bundleSchema = 'harness-ci-image-factory/bundle/v1';

/** Bytes of `bundle.json`. */
export const documentLimit = 32 * 1024 * 1024;

const digest = z.string().refine(isDigest, 'sha256:<64 hex> or sha512:<128 hex>');
const size = z.int().nonnegative();
const text = z.string().max(1_024);

const reference = text.refine((value) => {
  try {
    const parsed = parseReference(value);
    return formatReference(parsed) === value && (parsed.tag ?? parsed.digest) !== undefined;
  } catch {
    return false;
  }
}, 'host/repository:tag');

const referrer = z.strictObject({
  digest,
  mediaType: text,
  artifactType: text.optional(),
  /** The tag under which the source lists it (`sha256-<hex>`, `sha256-<hex>.sig`); absent where it has a subject alone. */
  tag: text.optional(),
});

const image = z.strictObject({
  /** The full official reference, whatever source it came from: `docker.io/harness/ci-addon:1.18.27`. */
  image: reference,
  /** Digest of the root, perhaps of an index with some platforms left out. */
  digest,
  mediaType: text,
  /** The source that served it: `gar`, `ecr-public`, `dockerhub`, or a host. */
  source: text,
  /** The platforms that its index names: `linux/amd64`. */
  platforms: z.array(text),
  /** Why the image is there: the fields of Harness that name it. Never a command to switch them. */
  roles: z.array(z.strictObject({ module: text, infrastructureType: text, field: text })),
  referrers: z.array(referrer),
});

const body = z.strictObject({
  schema: z.literal(bundleSchema),
  /** sha256 over images, blobs, absent and base. */
  id: z.string(),
  createdAt: z.iso.datetime(),
  /** Version of the factory. */
  factory: text,
  /** Sorted by `image`. */
  images: z.array(image),
  /**
   * Digest, size and offset of each manifest and blob in the bundle, in the order of the tar. Offsets count from the end
   * of the entry `bundle.json`.
   */
  blobs: z.array(z.tuple([digest, size, size])),
  /** The bundles that the importer needs before this one: known by their receipts, or assumed. */
  base: z.array(z.strictObject({ id: text, kind: z.enum(['receipt', 'assumed']) })),
  /** Blobs that the images need and the bundle leaves out: the target has them, or clients get them elsewhere. */
  absent: z.array(z.strictObject({ digest, size, reason: z.enum(['base', 'foreign']) })),
  policy: z.strictObject({
    platforms: z.array(text),
    referrers: z.enum(['off', 'signatures', 'all']),
    pins: z.record(text, text),
  }),
  totals: z.strictObject({ images: size, blobs: size, bytes: size }),
});

/** The content of a bundle: `bundle.json`. */
export type BundleDocument = z.infer<typeof body>;
export type BundledImage = z.infer<typeof image>;
export type BundledReferrer = z.infer<typeof referrer>;

type Facts = Omit<BundleDocument, 'schema' | 'id' | 'totals'>;

/** Completes a document with its id and totals. */
export function bundleDocument(facts: Facts): BundleDocument {
  const bytes = facts.blobs.reduce((sum, [, blobSize]) => sum + blobSize, 0);
  const totals = { images: facts.images.length, blobs: facts.blobs.length, bytes };
  return { ...facts, schema: bundleSchema, id: idOf(facts), totals };
}

/** Returns the bytes of `bundle.json`: the same for the same document. */
export function encodeDocument(document: BundleDocument): Buffer {
  return Buffer.from(`${canonicalJson(document)}\n`);
}

/**
 * Reads `bundle.json`, which nobody has checked.
 *
 * @param place Named in errors.
 * @throws {FactoryError} `BundleInvalid`; `InvalidInput` when a newer release made it.
 */
export function parseDocument(bytes: Uint8Array, place: string): BundleDocument {
  const value = jsonOf(bytes, place);
  const { schema } = z.looseObject({ schema: z.unknown() }).safeParse(value).data ?? {};
  if (schema !== bundleSchema) throw ofAnotherRelease(schema, place);
  const parsed = body.safeParse(value);
  if (!parsed.success) throw invalid(place, problemOf(parsed.error));
  const document = parsed.data;
  if (!encodeDocument(document).equals(bytes)) throw invalid(place, 'it is not in its canonical form');
  const { id, totals } = bundleDocument(document);
  if (document.id !== id) throw invalid(place, `the id of its content is ${id}, but it says ${printable(document.id)}`);
  if (canonicalJson(document.totals) !== canonicalJson(totals)) throw invalid(place, 'its totals are wrong');
  return document;
}

function idOf({ images, blobs, absent, base }: Facts): string {
  return createHash('sha256').update(canonicalJson({ images, blobs, absent, base })).digest('hex');
}

function jsonOf(bytes: Uint8Array, place: string): unknown {
  if (bytes.length > documentLimit) throw invalid(place, `it is larger than ${documentLimit} bytes`);
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(place, 'it is not JSON', cause);
  }
}

function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  const path = issue?.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('') ?? '';
  return `$${path}: ${issue?.message}`;
}

function ofAnotherRelease(schema: unknown, place: string): FactoryError {
  const found = typeof schema === 'string' ? `"${printable(schema)}"` : 'no schema';
  return typeof schema === 'string' && schema.startsWith('harness-ci-image-factory/bundle/')
    ? new FactoryError('InvalidInput', `${place} was made by a newer factory: its schema is ${found}`, {
        hint: 'Import it with the release that made it, or a newer one.',
      })
    : invalid(place, `its schema is ${found}, not "${bundleSchema}"`);
}

function invalid(place: string, what: string, cause?: unknown): FactoryError {
  return new FactoryError('BundleInvalid', `${place}: ${what}`, {
    hint: 'Carry the bundle again: it was damaged or altered on the way. Nothing was written.',
    cause,
  });
}
