import * as z from 'zod';
import { harnessModules, infrastructureTypes } from '../harness/scope.ts';
import { actions } from '../settings/execution-input.ts';
import { failingSeverities } from '../settings/scan-settings.ts';
import { digest } from './content.ts';
import type { FieldChange, KeptField, Plan, Snapshot } from './documents.ts';
import { versioned } from './schema.ts';

/** Schemas of the documents that other runs read, and runs of later releases. Unknown keys are kept. */

const text = z.string();
const number = z.number();

const scope = { module: z.enum(harnessModules), infrastructureType: z.enum(infrastructureTypes) };

const fieldChange = z.looseObject({
  ...scope,
  field: text,
  from: text.nullable(),
  to: text.nullable(),
  image: text.exactOptional(),
});

const keptField = z.looseObject({
  ...scope,
  field: text,
  value: text.nullable(),
  image: text.exactOptional(),
  reason: text.exactOptional(),
});

/** An error as an earlier run reported it. Its name may be one that this release does not use. */
const error = z.looseObject({
  name: text,
  message: text,
  hint: text,
  problems: z
    .array(z.looseObject({ path: text, found: text, allowed: text, reason: text.exactOptional() }))
    .exactOptional(),
});

const piece = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('manifest'), digest }),
  z.looseObject({ kind: z.literal('blob'), digest, size: number }),
]);

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
  error: error.exactOptional(),
});

const scan = z.looseObject({
  failOn: z.enum(failingSeverities),
  allow: z.array(z.looseObject({ id: text, until: text, reason: text.optional(), images: z.array(text).optional() })),
  deadlineMinutes: number,
});

const registryCounts = z.looseObject({
  host: text,
  requests: z.record(text, number),
  retries: number,
  throttles: number,
  pauses: number,
  mounts: number,
  pulls: z.looseObject({ limit: number, remaining: number }).exactOptional(),
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
    unused: z.array(
      z.looseObject({
        reference: text,
        digest,
        status: z.enum(['deleted', 'untagged', 'kept']).exactOptional(),
        reason: text.exactOptional(),
      }),
    ),
    warnings: z.array(text),
    registries: z.array(registryCounts).exactOptional(),
    skipped: text.exactOptional(),
    recovers: z.looseObject({ runId: text, ended: text, verified: z.boolean() }).exactOptional(),
  }),
  cure: 'Start the run again, or delete the folder of the run.',
});

export const changesSchema = versioned<{ changes: FieldChange[]; held: KeptField[] }>({
  content: z.looseObject({ changes: z.array(fieldChange), held: z.array(keptField) }),
  cure: 'Start the run again, or delete the folder of the run.',
});

export const snapshotSchema = versioned<Snapshot>({
  content: z.looseObject({
    runId: text,
    accountId: text,
    takenAt: text,
    scopes: z.array(z.looseObject({ ...scope, overrides: z.record(text, text) })),
  }),
  cure: 'Restore the document from a backup, or restore another run.',
});
