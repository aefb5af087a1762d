import { type ErrorDocument, FactoryError } from '../errors.ts';

/** What a Catch puts into the state: the error's name, and for a Lambda its outcome as JSON. */
export interface WorkflowError {
  Error: string;
  Cause?: string;
}

/** Messages are bounded where they are made; this is for whatever else a crashed function may say. */
const messageLimit = 2_000;

/**
 * The error behind a Catch. Tasks of ours fail with a whole error document as their message; a function that was killed,
 * or a state that timed out, with a text of the service's.
 */
export function parseErrorCause({ Error: name, Cause: cause = '' }: WorkflowError): ErrorDocument {
  const lambda = asObject(cause);
  const message = typeof lambda?.['errorMessage'] === 'string' ? lambda['errorMessage'] : cause;
  const document = asObject(message);
  if (
    typeof document?.['name'] === 'string' &&
    typeof document['message'] === 'string' &&
    typeof document['hint'] === 'string'
  ) {
    return document as unknown as ErrorDocument;
  }
  const text = `${name}: ${message || 'no reason given'}`.slice(0, messageLimit);
  return new FactoryError('UnexpectedError', text, {
    hint: 'A task ended without a word of its own: look at its log, its time limit and its memory.',
  }).toJSON();
}

function asObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
