import * as z from 'zod';
import { actions } from '../settings/execution-input.ts';
import { failingSeverities } from '../settings/scan-settings.ts';
import { digest } from './content.ts';
import { errorDocument, fieldChange, keptField, piece, type Plan, registryCounts, unusedImage } from './documents.ts';
import { versioned } from './schema.ts';

const text = z.string();
const number = z.number();

const plannedImage = z.looseObject({
  image: text,
  source: text.exactOptional(),
  otherSources: z.array(text).exactOptional(),
  target: text,
  sourceDigest: digest.exactOptional(),
  digest: digest.exactOptional(),
  status: z.enum(['current', 'copy', 'failed']),
  present: z.literal(true).exactOptional(),
  missing: z.array(piece).exactOptional(),
  held: z.literal(true).exactOptional(),
  size: number.exactOptional(),
  uniqueSize: number.exactOptional(),
  mounts: z.record(text, text).exactOptional(),
  error: errorDocument.exactOptional(),
});

const scan = z.looseObject({
  failOn: z.enum(failingSeverities),
  allow: z.array(z.looseObject({ id: text, until: text, reason: text.optional(), images: z.array(text).optional() })),
  deadlineMinutes: number,
});

export const planSchema = versioned<Plan>({
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
