import * as z from 'zod';
import { actions } from '../settings/execution-input.ts';
import { failingSeverities } from '../settings/scan-settings.ts';
import { type Digest, isDigest } from '../oci/spec/digest.ts';
import { digest, reference } from './content.ts';
import {
  errorDocument,
  fieldChange,
  keptField,
  piece,
  type Plan,
  type PlannedImage,
  registryCounts,
  unusedImage,
} from './documents.ts';
import { type Schema, versioned } from './schema.ts';

const text = z.string();
const number = z.number();

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

const imageOfRun = {
  image: text,
  requested: text.exactOptional(),
  target: reference,
  source: reference.exactOptional(),
  otherSources: z.array(reference).exactOptional(),
  sourceDigest: digest.exactOptional(),
  digest: digest.exactOptional(),
  missing: z.array(piece).exactOptional(),
  held: z.literal(true).exactOptional(),
};

/** Decodes the names of a planned image to values. */
export const plannedImage: z.ZodType<PlannedImage> = z.discriminatedUnion('status', [
  z.looseObject({ ...imageOfRun, status: z.literal('current'), digest, size: number.exactOptional() }),
  z.looseObject({
    ...imageOfRun,
    status: z.literal('copy'),
    source: reference,
    present: z.literal(true).exactOptional(),
    size: number.exactOptional(),
    uniqueSize: number.exactOptional(),
    mounts: mounts.exactOptional(),
  }),
  z.looseObject({ ...imageOfRun, status: z.literal('failed'), error: errorDocument }),
]);

const scan = z.looseObject({
  failOn: z.enum(failingSeverities),
  allow: z.array(z.looseObject({ id: text, until: text, reason: text.optional(), images: z.array(text).optional() })),
  deadlineMinutes: number,
});

type StoredPlan = Omit<Plan, 'images'> & { images: unknown[] };

const storedPlan = versioned<StoredPlan>({
  content: z.looseObject({
    runId: text,
    action: z.enum(actions),
    startedAt: text,
    registry: z.looseObject({ registry: text, prefix: text }),
    modifyDefault: z.boolean(),
    onPartialFailure: z.enum(['abort', 'update-succeeded']),
    referrers: z.enum(['off', 'signatures', 'all']),
    mounts: z.literal('off').exactOptional(),
    maxConcurrency: number.exactOptional(),
    scan: scan.optional(),
    prune: z.boolean(),
    images: z.array(plannedImage),
    changes: z.array(fieldChange),
    kept: z.array(keptField),
    inUse: z.array(text).exactOptional(),
    unused: z.array(unusedImage),
    warnings: z.array(text),
    registries: z.array(registryCounts).exactOptional(),
    skipped: text.exactOptional(),
    recovers: z.looseObject({ runId: text, ended: text, verified: z.boolean() }).exactOptional(),
  }),
  cure: 'Start the run again, or delete the folder of the run.',
});

export const planSchema: Schema<Plan> = {
  decode(body, place) {
    const plan = storedPlan.decode(body, place);
    return plan && { ...plan, images: plan.images.map((image) => z.decode(plannedImage, image)) };
  },
  encode: (plan) => storedPlan.encode({ ...plan, images: plan.images.map((image) => z.encode(plannedImage, image)) }),
};
