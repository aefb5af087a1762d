import { isDeepStrictEqual } from 'node:util';
import { isObject } from '../../text/json.ts';
import type { HarnessObject, HarnessObjectRef, ObjectKind } from './object.ts';
import { parseYaml, printYaml } from './yaml.ts';

/** An object as Harness has it. */
export interface StoredObject {
  ref: HarnessObjectRef;
  yaml: string;
  /** The parsed text, below its root key; `undefined` when Harness holds text that is not YAML. */
  document: Readonly<Record<string, unknown>> | undefined;
  /** For the `If-Match` of a change. Connectors and secrets have none. */
  version: number | undefined;
  /** False when Harness itself finds the stored YAML invalid. */
  valid: boolean;
  /** Set for an object whose YAML is in a Git repository. */
  inGit: boolean;
}

/** The member of the response with the YAML. Connectors and secrets come as objects. */
const contents: Record<ObjectKind, string> = {
  pipeline: 'yamlPipeline',
  inputSet: 'inputSetYaml',
  trigger: 'yaml',
  template: 'yaml',
  connector: 'connector',
  secret: 'secret',
};

/** Reads the data of a response; `undefined` when it does not hold the object. */
export function storedObject(ref: HarnessObjectRef, data: unknown): StoredObject | undefined {
  if (!isObject(data)) return undefined;
  const content = data[contents[ref.kind]];
  const { version, entityValidityDetails: validity, storeType } = data;
  const facts = {
    ref,
    version: typeof version === 'number' && Number.isSafeInteger(version) ? version : undefined,
    valid: !(isObject(validity) && validity['valid'] === false),
    inGit: storeType === 'REMOTE',
  };
  if (typeof content === 'string') {
    const parsed = parseYaml(content);
    const document = isObject(parsed) ? parsed[ref.kind] : undefined;
    return { ...facts, yaml: content, document: isObject(document) ? document : undefined };
  }
  const document = withoutNulls(content);
  return isObject(document) ? { ...facts, yaml: printYaml({ [ref.kind]: document }), document } : undefined;
}

/**
 * Returns the document that an update writes: the object as a whole. Connectors and secrets keep the name, description
 * and tags that they have, and every setting that the object does not name.
 */
export function updatedDocument({ ref, document }: HarnessObject, stored: StoredObject): Record<string, unknown> {
  if (ref.kind !== 'connector' && ref.kind !== 'secret') return { ...document };
  const spec = { ...membersOf(stored.document?.['spec']), ...membersOf(document['spec']) };
  return { ...document, ...stored.document, type: document['type'], spec };
}

/** Returns whether Harness already has the object, as far as it can be compared: no response shows a secret's value. */
export function isStored(object: HarnessObject, stored: StoredObject): boolean {
  if (object.value !== undefined || !stored.valid || !stored.document) return false;
  return isDeepStrictEqual(withoutNulls(updatedDocument(object, stored)), withoutNulls(stored.document));
}

function membersOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

/** Returns a value without members that are `null`, at every depth: Harness shows what is absent as `null`. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutNulls(member)]));
}
