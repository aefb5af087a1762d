import * as z from 'zod';
import { FactoryError } from '../errors.ts';
import { printableJson } from '../text/printable.ts';

/** Reads what any release wrote for one kind of document, and writes the current version. */
export interface Schema<T> {
  /**
   * Decodes a document that is stored at `place`. Throws `StoreFailed` with the place and the cure when it cannot be read;
   * returns `undefined` when its kind needs no cure.
   */
  decode(body: Uint8Array, place: string): T | undefined;
  encode(value: T): Uint8Array;
}

interface Content<T> {
  /** The content of a document, without its version. Keys that it does not name are kept. */
  content: z.ZodType<T>;
  /** The key of a content that has no place for a version. Release 0.1.0 stored such a content without the key. */
  under?: string;
  /** Completes a stored content with what `content` parsed. Without it, the content is used as it is stored. */
  complete?: (stored: T, parsed: T) => T;
}

interface Kind<T> extends Content<T> {
  /** Advises what to do with a document that cannot be read: an imperative sentence. Without it, there is no document. */
  cure?: string;
  /** The version before the current one. Without it, the current version is the first. */
  before?: Earlier<T>;
}

/** An earlier version of a kind of document. */
export interface Earlier<T> {
  version: number;
  /** Returns the content of a document of this version or an earlier one, as the next version has it. */
  read(version: unknown, stored: unknown): T;
}

/** Describes the first version of a kind, which `migrate` turns into the next. Release 0.1.0 wrote no version. */
export function firstVersion<Old extends object, T>(content: Content<Old>, migrate: (old: Old) => T): Earlier<T> {
  return { version: 1, read: (version, stored) => migrate(readContent(1, content, version, stored)) };
}

/** Checks a content of the version `current`, or of release 0.1.0, and returns it. */
function readContent<T>(current: number, kind: Content<T>, version: unknown, stored: unknown): T {
  const { content, under, complete = (original: T) => original } = kind;
  const { version: _, ...rest }: Record<string, unknown> = { ...(stored as object) };
  const value = version === 0 ? stored : version !== current ? undefined : under === undefined ? rest : rest[under];
  // By default the original: a later release of the same version may have added keys.
  return complete(value as T, content.parse(value));
}

/** Stores documents of one kind with a `version` beside their content, which must have no key of that name. */
export function versioned<T extends (object & { version?: never }) | null>({
  cure,
  before,
  ...kind
}: Kind<T>): Schema<T> {
  const current = (before?.version ?? 0) + 1;
  const read = (body: Uint8Array): T => {
    const stored: unknown = JSON.parse(new TextDecoder().decode(body));
    const { version }: { version: unknown } = { version: 0, ...(stored as object) };
    if (typeof version === 'number' && version > current) throw new NewerVersion(version, current);
    return before && version !== current ? before.read(version, stored) : readContent(current, kind, version, stored);
  };
  const { under } = kind;
  return {
    decode(body, place) {
      try {
        return read(body);
      } catch (cause) {
        if (cure === undefined) return undefined;
        if (cause instanceof NewerVersion) {
          throw new FactoryError('StoreFailed', `${place} has ${cause.message}`, {
            hint: 'Use the release that wrote it, or a newer one.',
          });
        }
        throw new FactoryError('StoreFailed', `${place} is damaged: ${reasonOf(cause)}`, { hint: cure, cause });
      }
    },
    encode(value) {
      const content: object | null = value;
      const stored = content && { version: current, ...(under === undefined ? content : { [under]: content }) };
      return new TextEncoder().encode(`${printableJson(stored)}\n`);
    },
  };
}

class NewerVersion extends Error {
  constructor(version: number, current: number) {
    super(`version ${version}, and this release reads versions up to ${current}`);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof z.ZodError)) return 'it is not JSON';
  const [issue] = error.issues;
  return `${issue?.path.join('.') || 'the document'}: ${issue?.message}`;
}
