import { Logger } from '@aws-lambda-powertools/logger';
import type { FactoryError } from '../errors.ts';
import { redacted } from '../http/redact.ts';
import type { Report } from '../state/documents.ts';
import type { ProgressEvent } from '../runtime/runtime.ts';
import { printable } from '../text/printable.ts';

/** The part of Lambda's context that is not for the log alone. */
export interface LambdaContext {
  /** Returns the time until Lambda ends the call, in milliseconds. */
  getRemainingTimeInMillis(): number;
}

/** The maximum length of a value in a log line, in characters. */
const valueLimit = 100_000;

/** The maximum number of stack frames of an unexpected error. */
const framesLimit = 10;

/**
 * Writes the log of a function: JSON lines, each with the task and the run. Saved queries read them (infra/operations).
 * A sandbox handles one call at a time, so one log suffices.
 */
export class LambdaLog {
  readonly #logger = new Logger({
    jsonReplacerFn: (_key, value) => (typeof value === 'string' ? printable(redacted(value), valueLimit) : value),
  });
  #call = { startedAt: 0, bytes: 0, image: undefined as string | undefined };

  /** Begins a call, of which nothing is written yet. */
  called(context: LambdaContext): void {
    this.#call = { startedAt: performance.now(), bytes: 0, image: undefined };
    this.#logger.addContext(context as Parameters<Logger['addContext']>[0]);
    this.#logger.appendKeys({ task: process.env['TASK'] });
  }

  started(event: unknown, context: LambdaContext): void {
    this.called(context);
    const { runId } = (event ?? {}) as { runId?: string };
    this.#logger.appendKeys({ runId });
    this.#logger.info('started');
  }

  note(message: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#logger.info(message, details);
  }

  progress(event: ProgressEvent): void {
    if ('image' in event) this.#call.image = event.image;
    if (event.kind === 'image-progress') this.#call.bytes += event.bytes;
    else if (event.kind === 'image-finished') {
      const { image, status, message } = event;
      const write = status === 'failed' ? 'warn' : 'info';
      this.#logger[write](`image ${status}`, { image, status, ...(message !== undefined && { reason: message }) });
    } else if (event.kind === 'wait') {
      this.#logger.info(`waiting for ${event.subject}`, { reason: event.reason, seconds: event.seconds });
    } else if (event.kind === 'note') this.note(event.message);
  }

  reported({ registries = [], warnings = [], error }: Report): void {
    for (const { host, ...counts } of registries) this.#logger.info(`asked ${host}`, { registry: host, ...counts });
    for (const warning of warnings) this.#logger.warn(warning);
    if (error) this.#logger.error('the run failed', { error });
  }

  finished(result: unknown): void {
    const { status, route } = (result ?? {}) as { status?: string; route?: string };
    this.#logger.info('finished', { outcome: status ?? route, ...this.#taken() });
  }

  failed(error: FactoryError): void {
    const { cause, name } = error;
    // Only the places: the message of an unknown error is shown above, once, and its other members may hold anything.
    const stack = name === 'UnexpectedError' && cause instanceof Error ? framesOf(cause) : undefined;
    this.#logger.error('failed', {
      outcome: 'failed',
      error: { ...error.toJSON(), ...(stack && { stack }) },
      ...this.#taken(),
    });
  }

  #taken() {
    const { startedAt, image, bytes } = this.#call;
    return { durationMs: Math.round(performance.now() - startedAt), ...(image !== undefined && { image, bytes }) };
  }
}

export const log = new LambdaLog();

function framesOf({ stack = '' }: Error): string[] {
  return stack
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '))
    .slice(0, framesLimit);
}
