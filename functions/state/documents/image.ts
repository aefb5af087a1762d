import * as z from 'zod';
import { type Digest, isDigest } from '../../oci/spec/digest.ts';
import { digest, reference } from '../content.ts';
import { fieldsOfImage } from './carried.ts';
import { errorDocument, number, piece, text } from './values.ts';

/** Blobs that another image of the run copies, each with the repository to mount it from. Stored as an object. */
const mounts = z.codec(
  z.record(digest, text),
  z.custom<ReadonlyMap<Digest, string>>((value) => value instanceof Map),
  {
    decode: (stored) =>
      new Map(
        Object.keys(stored)
          .filter(isDigest)
          .map((blob) => [blob, stored[blob] ?? '']),
      ),
    encode: (value) => Object.fromEntries(value),
  },
);

const imageOfRun = z.object({
  /** As Harness names it, after pins: `harness/ci-addon:1.18.22`. */
  image: text,
  /** The entry of the input whose range the image was chosen for: `plugins/email:^1`. */
  requested: text.exactOptional(),
  target: reference,
  /** The source; absent when no source has the image. */
  source: reference.exactOptional(),
  /** Sources that a copy tries in order when the first one fails. Each may have another digest. */
  otherSources: z.array(reference).exactOptional(),
  /** The digest of the official manifest. */
  sourceDigest: digest.exactOptional(),
  /** The digest of the manifest for the target. It differs from the source's when platforms are left out. */
  digest: digest.exactOptional(),
  /** Pieces that the image lacks at the target. */
  missing: z.array(piece).readonly().exactOptional(),
  /** The fields that need the image, in an export. */
  fields: fieldsOfImage.exactOptional(),
  /** Set when no field names the image: the input, a set or a bundle lists it, or Harness derives its name. */
  unnamed: z.literal(true).exactOptional(),
  /** Set when an override names the image and the run switches nothing to it: a failure is a warning. */
  held: z.literal(true).exactOptional(),
});

const currentImage = imageOfRun.extend({
  status: z.literal('current'),
  digest,
  /** Bytes of all blobs, when the plan read them. */
  size: number.exactOptional(),
});
export type CurrentImage = z.output<typeof currentImage>;

/** An image that the run copies, or repairs when pieces are missing. Without a digest, BUILD_PUSH_TEMPLATE builds it. */
const copiedImage = imageOfRun.extend({
  status: z.literal('copy'),
  source: reference,
  /** Set when the target has the image, and the run looks for its referrers only. */
  present: z.literal(true).exactOptional(),
  /** Set when something may use its tag, which moves to the image only after its scan. */
  afterScan: z.literal(true).exactOptional(),
  /** Bytes of all blobs, and of the blobs that no other image of this run has. */
  size: number.exactOptional(),
  uniqueSize: number.exactOptional(),
  mounts: mounts.exactOptional(),
});
export type CopiedImage = z.output<typeof copiedImage>;

const failedImage = imageOfRun.extend({ status: z.literal('failed'), error: errorDocument });

/** An image of a run, as the plan found it. Decodes names and mounts to values. */
export const plannedImage = z.discriminatedUnion('status', [currentImage, copiedImage, failedImage]);
export type PlannedImage = z.output<typeof plannedImage>;
