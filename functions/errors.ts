import { redacted } from './http/redact.ts';
import { printable } from './text/printable.ts';

/**
 * The one error family. A `FactoryError` carries what a user needs: a stable name (the workflow matches on it, the
 * documentation lists it), a message with the facts, and a hint that says what to do. Nothing secret goes into one, so
 * that logs, reports, notifications and the history of Step Functions can show it as it is.
 */

export const errorNames = [
  'CredentialHelperFailed',
  'DigestMismatch',
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
  'SnapshotNotFound',
  'StoreFailed',
  'TemplateFailed',
  'UnexpectedError',
  'VerificationFailed',
] as const;

export type ErrorName = (typeof errorNames)[number];

/** One of the things wrong with an input: where it is, what was found there, and what is allowed. */
export interface Problem {
  /** JSON path (`$.pins["harness/ci-addon"]`) or the name of an environment variable. */
  path: string;
  found: string;
  allowed: string;
  /** The parser's own words on what is wrong, where it has any. */
  reason?: string;
}

/** How an error is written into reports and passed through the workflow. */
export interface ErrorDocument {
  name: string;
  message: string;
  hint: string;
  problems?: Problem[];
}

export interface FactoryErrorOptions {
  /** What the reader should do about it: one sentence. */
  hint: string;
  problems?: Problem[];
  cause?: unknown;
}

/** Characters of a message: some list every image or field with its reason. */
const textLimit = 1_000_000;

export class FactoryError extends Error {
  override readonly name: ErrorName;
  readonly hint: string;
  readonly problems: Problem[] | undefined;

  constructor(name: ErrorName, message: string, options: FactoryErrorOptions) {
    // What others threw or answered is repeated in messages.
    super(shown(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = name;
    this.hint = shown(options.hint);
    this.problems = options.problems?.map(({ path, found, allowed, reason }) => ({
      path: printable(redacted(path)),
      found: printable(redacted(found)),
      allowed: printable(allowed, textLimit),
      ...(reason !== undefined && { reason: printable(redacted(reason)) }),
    }));
  }

  toJSON(): ErrorDocument {
    return {
      name: this.name,
      message: this.message,
      hint: this.hint,
      ...(this.problems && { problems: this.problems }),
    };
  }

  /** Any thrown value as a `FactoryError`: a bug of ours becomes `UnexpectedError` and keeps its message. */
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
