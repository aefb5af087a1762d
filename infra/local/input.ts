import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { FactoryError } from '../../functions/errors.ts';
import { understood } from '../../functions/settings/input-schema.ts';
import { render } from '../../functions/settings/problems.ts';
import { isObject, parseJson } from '../../functions/text/json.ts';
import { decodeText, TextError } from '../../functions/text/plain-text.ts';
import { reasonOf } from './file-failure.ts';

/** The maximum size of an execution input in bytes. A usual one is at most a page. */
const limit = 1024 * 1024;

/**
 * Reads the execution input from a file, or from standard input for `-`, and sets the command's action and the keys of
 * its options. Throws `InvalidInput` for text that is not a JSON object, and for keys that the command sets otherwise.
 */
export async function readInput(
  source: string | undefined,
  { action, ...options }: { action: string; [key: string]: unknown },
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const input = source === undefined ? {} : understood(parse(source, await read(source, signal)));
  if (!isObject(input)) {
    throw invalid(
      `${nameOf(source)} is not a JSON object`,
      'Write the execution input as {"registry": "…"}; docs/reference.md lists the keys.',
    );
  }
  const { action: asked } = input;
  if (asked !== undefined && asked !== action) {
    const problems = [{ path: '$.action', found: render(asked), allowed: `"${action}", or no action` }];
    throw new FactoryError('InvalidInput', 'the action of the input is not that of the command', {
      hint: 'Use the command with the name of the action, or remove "action" from the input.',
      problems,
    });
  }
  // The platforms of a list are those of the place that wrote it. The input may choose others.
  const twice = Object.keys(options).filter((key) => key !== 'platforms' && input[key] !== undefined);
  if (twice.length > 0) {
    const problems = twice.map((key) => ({ path: `$.${key}`, found: render(input[key]), allowed: 'nothing' }));
    throw new FactoryError('InvalidInput', 'the input has keys that options of the command set', {
      hint: 'Remove them from the input, or leave the options out.',
      problems,
    });
  }
  return { ...options, ...input, action };
}

/** Reads the whole text. The writer may be slow, and a pipe may be non-blocking. */
async function read(source: string, signal: AbortSignal): Promise<Uint8Array> {
  const stream: Readable = source === '-' ? process.stdin : createReadStream(source);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of addAbortSignal(signal, stream) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit)
        throw invalid(
          `${nameOf(source)} is larger than 1 MiB`,
          'Name the file of the execution input, a small JSON object.',
        );
    }
    return Buffer.concat(chunks);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof FactoryError) throw cause;
    throw invalid(
      `cannot read ${nameOf(source)}: ${reasonOf(cause)}`,
      'Name a readable file, or - for standard input.',
      cause,
    );
  } finally {
    // Otherwise an open writer would keep the command running.
    stream.destroy();
  }
}

function parse(source: string, bytes: Uint8Array): unknown {
  try {
    const text = decodeText(bytes);
    if (text.trim() === '')
      throw invalid(`${nameOf(source)} is empty`, 'Write the execution input as JSON; {} takes every default.');
    return parseJson(text);
  } catch (cause) {
    if (cause instanceof FactoryError) throw cause;
    if (cause instanceof TextError)
      throw invalid(`${nameOf(source)} is ${cause.message}`, 'Save the execution input as UTF-8.', cause);
    throw invalid(
      `${nameOf(source)} is not JSON: ${(cause as Error).message}`,
      'Check commas, quotes and brackets.',
      cause,
    );
  }
}

function nameOf(source: string | undefined): string {
  return source === '-' ? 'standard input' : (source ?? 'the input');
}

function invalid(message: string, hint: string, cause?: unknown): FactoryError {
  return new FactoryError('InvalidInput', message, { hint, cause });
}
