import { advise } from './advice.ts';
import type { Hint, Topic } from './hint.ts';
import { redacted } from './http/redact.ts';
import { printable } from './text/printable.ts';

/**
 * The names of all errors. A `FactoryError` has a stable name (the workflow matches it, the documentation lists it), a
 * message with the facts, and a hint with the next step. It contains nothing secret, so that logs, reports,
 * notifications and the history of Step Functions can show it unchanged.
 */

export const errorNames = [
  'BundleIncomplete',
  'BundleInvalid',
  'ChecksFailed',
  'CredentialHelperFailed',
  'DigestMismatch',
  'DiskFull',
  'DriftFound',
  'FunctionCrashed',
  'HarnessForbidden',
  'HarnessRejected',
  'HarnessUnauthorized',
  'HarnessUnexpectedResponse',
  'HarnessUnreachable',
  'ImageNotFound',
  'ImagesFailed',
  'ImagesIncomplete',
  'Interrupted',
  'InvalidConfiguration',
  'InvalidInput',
  'LambdaThrottled',
  'LambdaUnavailable',
  'LockLost',
  'ManifestInvalid',
  'ManifestUnsupported',
  'PushRefused',
  'RegistryFailed',
  'RegistryForbidden',
  'RegistryThrottled',
  'RegistryUnauthorized',
  'RegistryUnreachable',
  'RollbackFailed',
  'RollbackPending',
  'RunStopped',
  'ScanFailed',
  'ScanTimedOut',
  'SignatureInvalid',
  'SigningFailed',
  'SnapshotNotFound',
  'StoreFailed',
  'SwitchBlocked',
  'TemplateFailed',
  'UnexpectedError',
  'VerificationFailed',
] as const;

export type ErrorName = (typeof errorNames)[number];

/** A problem in an input: its place, the value found, and the values allowed. */
export interface Problem {
  /** JSON path (`$.pins["harness/ci-addon"]`) or the name of an environment variable. */
  path: string;
  found: string;
  allowed: string;
  /** The parser's own message, where it has one. */
  reason?: string;
}

/** An error as reports and the workflow contain it. */
export interface ErrorDocument {
  name: string;
  message: string;
  hint: string;
  problems?: Problem[];
}

export interface FactoryErrorOptions extends Hint {
  problems?: Problem[];
  cause?: unknown;
}

/** The longest message, in characters: some list every image or field with its reason. */
const textLimit = 1_000_000;
/** A hostile input may have thousands of problems. */
const problemsLimit = 100;

export class FactoryError extends Error {
  override readonly name: ErrorName;
  readonly hint: string;
  readonly topic: Topic | undefined;
  readonly problems: Problem[] | undefined;

  constructor(name: ErrorName, message: string, options: FactoryErrorOptions) {
    const isLong = (options.problems?.length ?? 0) > problemsLimit;
    // Messages repeat text from registries and services.
    super(
      shown(isLong ? `${message}; the first ${problemsLimit} are listed` : message),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = name;
    this.hint = shown(options.hint);
    this.topic = options.topic;
    this.problems = options.problems?.slice(0, problemsLimit).map(({ path, found, allowed, reason }) => ({
      path: printable(redacted(path)),
      found: printable(redacted(found)),
      allowed: printable(allowed, textLimit),
      ...(reason !== undefined && { reason: printable(redacted(reason)) }),
    }));
  }

  /** Returns the error for reports and the workflow, with the product's advice in its hint. */
  toJSON(): ErrorDocument {
    return {
      name: this.name,
      message: this.message,
      hint: advise(this.hint, this.topic),
      ...(this.problems && { problems: this.problems }),
    };
  }

  /** Converts any thrown value. A bug in the factory becomes `UnexpectedError` and keeps its message. */
  static from(thrown: unknown): FactoryError {
    if (thrown instanceof FactoryError) return thrown;
    const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
    return new FactoryError('UnexpectedError', message, {
      hint: 'This is a bug in the factory. Please report it with the run id.',
      cause: thrown,
    });
  }
}

function shown(text: string): string {
  return printable(redacted(text), textLimit);
}
