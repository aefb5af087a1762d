import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Digest } from '../oci/spec/digest.ts';
import type { Reference } from '../oci/spec/reference.ts';
import { getJson, type ObjectStore, putJson } from './object-store.ts';
import type { Document } from './run-documents.ts';
import { versioned } from './schema.ts';

/** A checkpoint that cannot be read counts as none: the copy begins again. */
const schema = versioned({ content: z.record(z.string(), z.unknown()), under: 'checkpoint' });

/**
 * Returns the checkpoint of a copy of `digest` to a repository. It outlives its run: a copy that was killed is resumed
 * by the next run. It is a hint, which `copyImage` checks.
 */
export function checkpointOf(
  store: ObjectStore,
  { registry, repository }: Reference,
  digest: Digest,
): Pick<Document<object>, 'find' | 'put'> {
  const name = createHash('sha256').update(`${registry}/${repository}@${digest}`).digest('hex');
  const key = `checkpoints/${name}.json`;
  return {
    find: () => getJson(store, key, schema),
    put: (checkpoint) => putJson(store, key, schema, checkpoint),
  };
}
