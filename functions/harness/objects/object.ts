import { FactoryError } from '../../errors.ts';
import { isObject } from '../../text/json.ts';
import type { ObjectRef } from '../object-ref.ts';
import { problemsOf } from './checks.ts';
import type { SecretValue } from './secret-value.ts';
import { parseYaml } from './yaml.ts';

/** The kinds of objects, in order of creation: each may name objects of the kinds before it. */
export const objectKinds = ['secret', 'connector', 'template', 'pipeline', 'inputSet', 'trigger'] as const;
export type ObjectKind = (typeof objectKinds)[number];

/** An object that exists in projects only. */
interface ProjectRef extends ObjectRef {
  orgIdentifier: string;
  projectIdentifier: string;
}

/** The address of an object in Harness. */
export type HarnessObjectRef =
  | ({ kind: 'secret' | 'connector' } & ObjectRef)
  | ({ kind: 'template'; versionLabel: string } & ObjectRef)
  | ({ kind: 'pipeline' } & ProjectRef)
  | ({ kind: 'inputSet' | 'trigger'; pipelineIdentifier: string } & ProjectRef);

/** An object to be created or updated. Its YAML is the only source of its address, so the two cannot disagree. */
export interface HarnessObject {
  ref: HarnessObjectRef;
  /** The text that Harness stores. That of a secret is without the value. */
  yaml: string;
  /** The parsed text, below its root key. */
  document: Readonly<Record<string, unknown>>;
  /** The value of a text secret. Without one, a secret that exists keeps its value. */
  value?: SecretValue | undefined;
}

/**
 * Reads an object from its YAML.
 *
 * @throws {FactoryError} `InvalidConfiguration` with every problem that our own checks find.
 */
export function harnessObject(yaml: string, value?: SecretValue): HarnessObject {
  const problems = problemsOf(yaml);
  const [kind, document] = rootOf(parseYaml(yaml)) ?? [];
  const ref = kind && refOf(kind, document);
  if (problems.length > 0 || !document || !ref) {
    const facts = problems.map(({ path, found, allowed }) => `${path}: found ${found}, expected ${allowed}`).join('; ');
    const message = `the YAML of ${ref ? describeRef(ref) : 'an object for Harness'} is invalid: ${facts}`;
    throw new FactoryError('InvalidConfiguration', message, {
      hint: 'Correct the values that it is made of.',
      problems,
    });
  }
  return { ref, yaml, document, value };
}

/** Names an object in messages: `the pipeline x of default/platform`. */
export function describeRef(ref: HarnessObjectRef): string {
  const kind = ref.kind === 'inputSet' ? 'input set' : ref.kind;
  const version = ref.kind === 'template' ? ` (${ref.versionLabel})` : '';
  const place =
    [ref.orgIdentifier, ref.projectIdentifier].filter((part) => part !== undefined).join('/') || 'the account';
  return `the ${kind} ${ref.identifier}${version} of ${place}`;
}

/** Sorts for creation: what is named before what names it. */
export function inOrderOfCreation<T extends { kind: ObjectKind }>(refs: readonly T[]): T[] {
  return refs.toSorted((one, other) => objectKinds.indexOf(one.kind) - objectKinds.indexOf(other.kind));
}

/** Sorts for deletion: what names others before what is named. */
export function inOrderOfDeletion<T extends { kind: ObjectKind }>(refs: readonly T[]): T[] {
  return inOrderOfCreation(refs).toReversed();
}

function rootOf(parsed: unknown): [ObjectKind, Record<string, unknown>] | undefined {
  if (!isObject(parsed)) return undefined;
  const kind = objectKinds.find((name) => isObject(parsed[name]));
  const document = kind && parsed[kind];
  return kind && isObject(document) ? [kind, document] : undefined;
}

/** Reads the address of an object. Returns `undefined` when a part of it is absent. */
function refOf(kind: ObjectKind, document: Record<string, unknown> = {}): HarnessObjectRef | undefined {
  const identifier = text(document['identifier']);
  const orgIdentifier = text(document['orgIdentifier']);
  const projectIdentifier = text(document['projectIdentifier']);
  if (identifier === undefined) return undefined;
  const scope = {
    ...(orgIdentifier !== undefined && { orgIdentifier }),
    ...(projectIdentifier !== undefined && { projectIdentifier }),
  };
  if (kind === 'secret' || kind === 'connector') return { kind, identifier, ...scope };
  if (kind === 'template') {
    const versionLabel = text(document['versionLabel']);
    return versionLabel === undefined ? undefined : { kind, identifier, versionLabel, ...scope };
  }
  if (orgIdentifier === undefined || projectIdentifier === undefined) return undefined;
  if (kind === 'pipeline') return { kind, identifier, orgIdentifier, projectIdentifier };
  const { pipeline } = document;
  const named = kind === 'trigger' ? document['pipelineIdentifier'] : isObject(pipeline) && pipeline['identifier'];
  const pipelineIdentifier = text(named);
  return pipelineIdentifier === undefined
    ? undefined
    : { kind, identifier, pipelineIdentifier, orgIdentifier, projectIdentifier };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
