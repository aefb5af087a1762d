import { type ErrorDocument, type ErrorName, errorNames, FactoryError, type Problem } from './errors.ts';

/**
 * Maximum lengths of the parts of an error document, in characters as they are escaped in the cause of a failed task. Step
 * Functions refuses causes above 32,768 characters. That of Lambda holds the document twice, and the frames of the stack.
 */
const limits = { message: 4_000, hint: 2_000, problems: 8_000, field: 1_500 };

/** The error that the workflow receives. Its name is matched, and its message is the whole document as JSON. */
export class TaskError extends Error {
  constructor(error: FactoryError) {
    super(JSON.stringify(bounded(error.toJSON())), { cause: error });
    this.name = error.name;
  }
}

function bounded({ name, message, hint, problems }: ErrorDocument): ErrorDocument {
  const document = { name, message: cut(message, limits.message), hint: cut(hint, limits.hint) };
  if (!problems) return document;
  let left = limits.problems;
  const shown = problems.map(shortened).filter((problem) => (left -= lengthInCause(problem)) >= 0);
  const isCut = shown.length < problems.length;
  const text = isCut ? `${document.message}; the cause has room for the first ${shown.length}` : document.message;
  return { ...document, message: text, problems: shown };
}

function shortened({ path, found, allowed, reason }: Problem): Problem {
  return {
    path: cut(path, limits.field),
    found: cut(found, limits.field),
    allowed: cut(allowed, limits.field),
    ...(reason !== undefined && { reason: cut(reason, limits.field) }),
  };
}

function cut(text: string, limit: number): string {
  if (text.length <= limit && lengthInCause(text) <= limit) return text;
  let left = limit;
  let end = 0;
  for (const character of text) {
    left -= lengthInCause(character);
    if (left < 0) break;
    end += character.length;
  }
  return `${text.slice(0, end)}…`;
}

/** The length of a value in a document that is JSON within JSON, where a quote takes four characters. */
function lengthInCause(value: string | Problem): number {
  // Without the quotes around both texts.
  const [start, end] = typeof value === 'string' ? [3, 3] : [1, 1];
  return JSON.stringify(JSON.stringify(value)).length - start - end;
}

/** The state that a Catch writes: the error's name, and for a Lambda function its result as JSON. */
export interface WorkflowError {
  Error: string;
  Cause?: string;
}

/** The longest message of a crashed function, in characters. */
const serviceMessageLimit = 2_000;

/**
 * Returns the error behind a Catch. Tasks fail with a whole error document as their message. For a function that was
 * killed, or that Lambda did not run, the message comes from the service.
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
  const said = `${name}: ${message || 'no reason given'}`.slice(0, serviceMessageLimit);
  const ours = errorNames.find((known) => known === name);
  const { name: kind, what, hint } = ours ? ofOurs(ours) : (kinds.find(({ is }) => is(name, message)) ?? unforeseen);
  return new FactoryError(kind, what === '' ? said : `${what}: ${said}`, { hint }).toJSON();
}

interface Kind {
  name: ErrorName;
  /** The explanation of the service's message; empty where none is needed. */
  what: string;
  hint: string;
}

/** Errors of the service, the most specific first. */
const kinds: readonly (Kind & { is: (name: string, message: string) => boolean })[] = [
  {
    is: (name) => name === 'Lambda.TooManyRequestsException',
    name: 'LambdaThrottled',
    what: 'Lambda throttled a function for longer than the workflow retries',
    hint: 'Lower max_concurrency, or request a larger quota of concurrent Lambda executions for this account.',
  },
  {
    is: (name, message) =>
      name === 'Sandbox.Timedout' || name === 'States.Timeout' || /Task timed out after [\d.]+ seconds/.test(message),
    name: 'FunctionCrashed',
    what: 'a function reached its time limit',
    hint: 'Read the log of the function, then run again. A registry or Harness may have been slow.',
  },
  {
    is: (name, message) => name === 'Runtime.OutOfMemory' || /out of memory|signal: killed/i.test(message),
    name: 'FunctionCrashed',
    what: 'a function was killed, most often because its memory ran out',
    hint: 'Read the log of the function: its last line has the memory used. Run again, and report it if it happens again.',
  },
  {
    is: (name) => /^(?:Runtime|Sandbox|Extension|Function)\./.test(name) || name === 'Lambda.Unknown',
    name: 'FunctionCrashed',
    what: 'a function ended before it returned a result',
    hint: 'Read the log of the function, with its time limit and its memory, then run again.',
  },
  {
    is: (name) => name.startsWith('Lambda.'),
    name: 'LambdaUnavailable',
    what: 'Lambda did not run a function',
    hint: 'Run again later. If it happens again, look at the state of the function, its network and its role in the Lambda console.',
  },
];

const unforeseen: Kind = {
  name: 'UnexpectedError',
  what: '',
  hint: 'Read the history of the execution and the log of its last function. Please report it with the run id.',
};

/** Describes an error of a task of which the workflow kept only the name. */
function ofOurs(name: ErrorName): Kind {
  return { name, what: '', hint: 'Read the log of the function; docs/troubleshooting.md explains the name.' };
}

function asObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
