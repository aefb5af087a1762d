import * as z from 'zod';
import { configField, counts, number, text } from './values.ts';

/** Images that are carried between networks. */

export { receipt } from '../../bundle/receipt.ts';
export { needs } from '../../settings/needs.ts';

export const fieldsOfImage = z.array(configField);

/** An image that fields of Harness need, and that a bundle lacks. */
export const neededImage = z.object({
  /** As Harness names it, after pins: `harness/ci-addon:1.18.22`. */
  image: text,
  fields: fieldsOfImage,
});
export type NeededImage = z.output<typeof neededImage>;

/** The bundle that a run writes or reads. */
export const carriedBundle = z.object({
  /** A path, or `s3://BUCKET/KEY`. */
  address: text,
  /** Absent until the plan knows it. */
  id: text.exactOptional(),
  /** Bytes of the manifests and blobs in it. */
  bytes: number.exactOptional(),
  /** Platform → bytes that it needs. Platforms share blobs, so the sum may be larger than the bundle. */
  platforms: counts.exactOptional(),
  /** The numbers of the parts that an export wrote again, where it wrote nothing else. */
  parts: z.array(z.int()).exactOptional(),
});
export type CarriedBundle = z.output<typeof carriedBundle>;

/** The choices that a bundle records: those of its plan. */
export const bundlePolicy = z.object({ platforms: z.array(text), pins: z.record(text, text) });

/** A bundle that an export has written. */
export const exported = z.object({
  id: text,
  /** Bytes of the manifests and blobs in it, and of the file or object. */
  bytes: number,
  size: number,
  /** The byte at which an interrupted export went on. */
  resumedAt: number,
  /** The numbers of the parts that were written again, where nothing else was. */
  parts: z.array(z.int()).exactOptional(),
});

/** The state that one call of the check of a bundle hands to the next. */
export const bundleCheck = z.object({
  dataVersion: text.optional(),
  position: number,
  sums: z.array(text).readonly(),
  sum: text.optional(),
  blob: text.optional(),
  damages: z
    .array(z.object({ part: text, entry: text.exactOptional(), digest: text.exactOptional(), reason: text }))
    .readonly(),
  /** Consecutive calls that read nothing. */
  idleCalls: z.int(),
});

/** The state that one call of an export hands to the next. */
export const exportState = z.object({
  /** Bytes at the end of the last call. */
  written: number,
  /** Consecutive calls without progress. */
  idleCalls: z.int(),
});
export type ExportState = z.output<typeof exportState>;
