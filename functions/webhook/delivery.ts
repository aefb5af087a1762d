import { FactoryError, type Problem } from '../errors.ts';
import { render } from '../settings/problems.ts';
import { parseJson } from '../text/json.ts';
import { decodeText, TextError } from '../text/plain-text.ts';

/** The content of a request, the same for each redelivery. */
export interface Delivery {
  /** The execution input. */
  input: unknown;
  /** Identifies the delivery: redeliveries have the same id, other runs another one. `undefined` without an id. */
  id: string | undefined;
}

/**
 * Reads the body of a request: an execution input, nothing, or a notification of a Harness pipeline, which asks for a
 * run with the deployment's defaults. Throws `InvalidInput`.
 *
 * Harness gives its notifications no id (harness/harness-core, WebhookSenderImpl), and may send several for one
 * pipeline (PipelineSuccess and PipelineEnd, say). So the id is that of the pipeline's execution: however often it is
 * heard of, it starts one run. An HTTP step says its own in `Idempotency-Key`.
 */
export function readDelivery(bytes: Uint8Array, idempotencyKey: string | undefined): Delivery {
  const id = idempotencyKey === undefined ? undefined : checkedKey(idempotencyKey);
  const body = textOf(bytes);
  if (body.trim() === '') return { input: {}, id };
  // Step Functions would hand a `null` on as it is.
  const input = parse(body) ?? {};
  const event = (input as { eventData?: unknown }).eventData;
  if (typeof event !== 'object' || event === null) return { input, id };
  const { planExecutionId } = event as { planExecutionId?: unknown };
  return { input: {}, id: id ?? (typeof planExecutionId === 'string' ? planExecutionId : undefined) };
}

function textOf(bytes: Uint8Array): string {
  try {
    return decodeText(bytes);
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    throw invalid({ path: '$', found: `text that is ${error.message}`, allowed: 'JSON in UTF-8, or nothing' });
  }
}

function parse(body: string): unknown {
  try {
    return parseJson(body);
  } catch {
    throw invalid({ path: '$', found: render(body), allowed: 'JSON, or nothing' });
  }
}

/** An expression that Harness did not resolve would be the same for every run there will ever be. */
function checkedKey(key: string): string {
  if (/^[\x20-\x7e]{1,256}$/.test(key) && !key.includes('<+') && key !== 'null') return key;
  throw invalid({
    path: 'Idempotency-Key',
    found: render(key),
    allowed: '1 to 256 ASCII characters, different for each run, such as the value of <+pipeline.executionId>',
  });
}

function invalid(problem: Problem): FactoryError {
  return new FactoryError('InvalidInput', 'the request has 1 problem', {
    hint: 'Correct the request; docs/triggers.md shows examples.',
    problems: [problem],
  });
}
