import { FactoryError } from '../../../functions/errors.ts';
import {
  describeRef,
  type HarnessObject,
  type HarnessObjectRef,
  inOrderOfDeletion,
} from '../../../functions/harness/objects/object.ts';
import type { HarnessObjects } from '../../../functions/harness/objects/objects.ts';
import type { SecretValue } from '../../../functions/harness/objects/secret-value.ts';
import type { StoredObject } from '../../../functions/harness/objects/stored-object.ts';
import { isObject } from '../../../functions/text/json.ts';
import { ownTag } from './objects.ts';

/** The change that registering makes of one object. */
export type Registration =
  | { kind: 'create' | 'unchanged'; object: HarnessObject }
  | { kind: 'update' | 'new-value'; object: HarnessObject; stored: StoredObject };

/** The change that unregistering makes of one object. `foreign`: the factory did not make it, and leaves it. */
export interface Removal {
  kind: 'delete' | 'absent' | 'foreign';
  ref: HarnessObjectRef;
}

export interface RegistrationOptions {
  /** Also replaces objects that the factory did not make. */
  adopt: boolean;
  /** Writes the value of a secret that exists already. */
  renewSecret: boolean;
}

/**
 * Compares the objects with what Harness has. Writes nothing.
 *
 * @throws {FactoryError} `InvalidConfiguration` when Harness has objects of the same identifiers that the factory did
 * not make, unless `adopt` is set.
 */
export async function planRegistration(
  objects: readonly HarnessObject[],
  harness: HarnessObjects,
  { adopt, renewSecret }: RegistrationOptions,
  signal?: AbortSignal,
): Promise<Registration[]> {
  const registrations: Registration[] = [];
  const foreign: string[] = [];
  for (const object of objects) {
    const change = await harness.compare(object, signal);
    if (change.kind === 'create') {
      registrations.push({ kind: 'create', object });
      continue;
    }
    const { stored } = change;
    if (!isOwn(stored) && !adopt) foreign.push(describeRef(object.ref));
    if (change.kind === 'update') registrations.push({ kind: 'update', object, stored });
    else if (renewSecret && object.ref.kind === 'secret') registrations.push({ kind: 'new-value', object, stored });
    else registrations.push({ kind: 'unchanged', object });
  }
  if (foreign.length > 0)
    throw new FactoryError('InvalidConfiguration', `the factory did not make ${foreign.join(', ')}`, {
      hint: 'Rename or delete them in Harness, or pass --adopt to replace them. --secret names a secret that exists.',
    });
  return registrations;
}

/** Makes the changes, in order. Nothing else in the project is written. */
export async function register(
  registrations: readonly Registration[],
  harness: HarnessObjects,
  {
    secretValue,
    onDone,
    signal,
  }: { secretValue: () => Promise<SecretValue>; onDone: (done: string) => void; signal?: AbortSignal },
): Promise<void> {
  const changes = registrations.filter(({ kind }) => kind !== 'unchanged');
  const intents = changes.map(({ kind, object: { ref } }) => ({
    ref,
    verb: kind === 'create' ? ('create' as const) : ('update' as const),
  }));
  const warning = await harness.assertPermitted(intents, signal);
  if (warning !== undefined) onDone(`Warning: ${warning}`);
  // Read before the first change: without the token there is nothing to register.
  const needsValue = ({ kind, object }: Registration) =>
    object.ref.kind === 'secret' && (kind === 'create' || kind === 'new-value');
  const value = changes.some(needsValue) ? await secretValue() : undefined;
  for (const change of changes) {
    const { object } = change;
    const result = await harness.upsert(needsValue(change) ? { ...object, value } : object, signal);
    onDone(`${result} ${describeRef(object.ref)}`);
  }
}

/** Looks up which of the objects the factory made. Writes nothing. */
export async function planRemoval(
  refs: readonly HarnessObjectRef[],
  harness: HarnessObjects,
  signal?: AbortSignal,
): Promise<Removal[]> {
  const removals: Removal[] = [];
  for (const ref of inOrderOfDeletion(refs)) {
    const stored = await harness.read(ref, signal);
    removals.push({ kind: stored === undefined ? 'absent' : isOwn(stored) ? 'delete' : 'foreign', ref });
  }
  return removals;
}

/** Deletes what the factory made. */
export async function unregister(
  removals: readonly Removal[],
  harness: HarnessObjects,
  { onDone, signal }: { onDone: (done: string) => void; signal?: AbortSignal },
): Promise<void> {
  const deletions = removals.filter(({ kind }) => kind === 'delete');
  const warning = await harness.assertPermitted(
    deletions.map(({ ref }) => ({ ref, verb: 'delete' })),
    signal,
  );
  if (warning !== undefined) onDone(`Warning: ${warning}`);
  for (const { ref } of deletions) {
    await harness.remove(ref, signal);
    onDone(`deleted ${describeRef(ref)}`);
  }
}

/** Returns whether an object has the factory's tag. */
function isOwn({ document }: StoredObject): boolean {
  const tags = document?.['tags'];
  return isObject(tags) && Object.entries(ownTag).every(([name, value]) => tags[name] === value);
}
