import type * as z from 'zod';
import { FactoryError } from '../errors.ts';

/** Reads what any release wrote for one kind of document, and writes the current version. */
export interface Schema<T> {
  /** Returns the value of a stored document. Throws `StoreFailed` with the key and the cure when it cannot be read. */
  decode(stored: unknown, key: string): T;
  encode(value: T): unknown;
}

interface Kind<T> {
  /** The content of a document, without its version. */
  content: z.ZodType<T>;
  /** Migrates the content that release 0.1.0 wrote, which had no version. Default: it is the same. */
  migrate?: (unversioned: unknown) => unknown;
  /** Advises what to do with a document that does not match: an imperative sentence. */
  cure: string;
}

/** Every kind of document is at its first version. The next version of one adds a migration from this one. */
const current = 1;

/** Stores documents of one kind with a `version` beside their content. */
export function versioned<T extends object>({ content, migrate = (same) => same, cure }: Kind<T>): Schema<T> {
  return {
    decode(stored, key) {
      const { version, value } = split(stored, migrate);
      if (version > current) {
        throw new FactoryError(
          'StoreFailed',
          `${key} in the object store has version ${version}, and this release reads versions up to ${current}`,
          { hint: 'Use the release that wrote it, or a newer one.' },
        );
      }
      const { error } = content.safeParse(value);
      if (!error && (version === 0 || version === current)) return value as T;
      throw new FactoryError('StoreFailed', `${key} in the object store is damaged: ${reasonOf(error)}`, {
        hint: cure,
        cause: error,
      });
    },
    encode: (value) => ({ version: current, ...value }),
  };
}

/** Stores `null` where there is no value. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return {
    decode: (stored, key) => (stored === null ? null : schema.decode(stored, key)),
    encode: (value) => (value === null ? null : schema.encode(value)),
  };
}

/** Stores documents of a run that change together with its plan: the version of the plan covers them. */
export function asWritten<T>(): Schema<T> {
  return { decode: (stored) => stored as T, encode: (value) => value };
}

/** Separates the version from the content. Version 0 stands for documents of release 0.1.0. */
function split(stored: unknown, migrate: (unversioned: unknown) => unknown): { version: number; value: unknown } {
  if (typeof stored === 'object' && stored !== null && 'version' in stored && typeof stored.version === 'number') {
    const { version, ...value } = stored;
    return { version, value };
  }
  return { version: 0, value: migrate(stored) };
}

function reasonOf(error: z.ZodError | undefined): string {
  const [issue] = error?.issues ?? [];
  return issue ? `${issue.path.join('.') || 'the document'}: ${issue.message}` : 'its version is not a whole number';
}
