import { FactoryError, type Problem } from '../errors.ts';
import { log } from '../lambda/log.ts';
import { parseExecutionInput } from '../settings/execution-input.ts';
import { runIdPattern } from '../settings/input-schema.ts';
import { beyondTrust } from '../settings/webhook-guards.ts';
import { type Caller, callerOf } from './caller.ts';
import { readDelivery } from './delivery.ts';
import { isStoredElsewhere, runStatus } from './run-status.ts';
import { startOnce } from './start-once.ts';
import { stopRun } from './stop-run.ts';
import type { WebhookRequest, WebhookResponse } from './function-url.ts';
import type { WebhookParts } from './webhook-parts.ts';

/** The maximum size of a request body in bytes. An input that pins every image has a tenth of it. */
const bodyLimit = 64 * 1024;

const paths = 'POST /runs, GET /runs/{id} and POST /runs/{id}/stop';

/**
 * Serves `POST /runs`, which starts a run, `GET /runs/{id}`, which returns its status, and `POST /runs/{id}/stop`.
 * Responds 4xx to an invalid request; throws when AWS or the deployment fails.
 */
export async function answer(request: WebhookRequest, parts: WebhookParts): Promise<WebhookResponse> {
  const { rawPath, requestContext } = request;
  // Checked first: a probe costs nothing, and reveals nothing without a token.
  const caller = await callerOf(request, parts.tokens);
  if (!caller) {
    return parts.tokens
      ? refuse(401, 'Unauthorized', 'no valid bearer token', { 'www-authenticate': 'Bearer' })
      : refuse(401, 'Unauthorized', 'no signature that Lambda has verified');
  }
  const [, runs, runId, stop, ...more] = rawPath.replace(/\/$/, '').split('/');
  if (runs !== 'runs' || (stop !== undefined && stop !== 'stop') || more.length > 0)
    return refuse(404, 'NotFound', `the paths are ${paths}`);
  const method = runId === undefined || stop ? 'POST' : 'GET';
  if (requestContext.http.method !== method) {
    return refuse(405, 'MethodNotAllowed', `use ${method}`, { allow: method });
  }
  const url = (id: string) => `https://${requestContext.domainName}/runs/${encodeURIComponent(id)}`;
  if (runId === undefined) return startRun(request, caller, parts, url);
  const id = decoded(runId);
  if (!runIdPattern.test(id)) return unknownRun();
  return stop ? stopped(id, caller, parts, url) : showRun(id, parts, url);
}

async function startRun(
  { headers, body = '', isBase64Encoded = false }: WebhookRequest,
  { arn }: Caller,
  { configuration, executions, now = Date.now }: WebhookParts,
  url: (runId: string) => string,
): Promise<WebhookResponse> {
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
  if (bytes.length > bodyLimit) return refuse(413, 'PayloadTooLarge', `the body is larger than ${bodyLimit} bytes`);
  if (bytes.length > 0 && !/^application\/json *(?:;|$)/i.test(headers['content-type'] ?? '')) {
    return refuse(415, 'UnsupportedMediaType', 'the content-type of a body must be application/json');
  }
  let delivery: Parameters<typeof startOnce>[0];
  try {
    const { input, id } = readDelivery(bytes, headers['idempotency-key']);
    const settings = parseExecutionInput(input, configuration);
    const problems = beyondTrust(settings, configuration);
    if (problems.length > 0) throw untrusted(problems);
    // The run gets what was judged. One input in two spellings is one delivery.
    delivery = { input: settings.input, id };
  } catch (error) {
    if (error instanceof FactoryError && error.name === 'InvalidInput') return json(400, { error });
    throw error;
  }
  const { runId, execution } = await startOnce(delivery, arn, executions, now());
  const status = execution ? runStatus({ runId, url: url(runId), execution }).status : 'RUNNING';
  log.note(execution ? 'delivered before' : 'run started', { runId, caller: arn });
  return json(202, { runId, status, url: url(runId) });
}

function untrusted(problems: Problem[]): FactoryError {
  const keys = problems.map(({ path }) => path.slice('$.'.length)).join(', ');
  return new FactoryError('InvalidInput', `the webhook of this deployment refuses these values of ${keys}`, {
    hint: 'Remove the keys, or list them in WEBHOOK_ALLOW when you deploy. docs/triggers.md describes the risk of each.',
    problems,
  });
}

async function showRun(
  runId: string,
  { executions, findReport, links }: Pick<WebhookParts, 'executions' | 'findReport' | 'links'>,
  url: (runId: string) => string,
  statusCode = 200,
): Promise<WebhookResponse> {
  const execution = await executions.find(runId);
  if (!execution) return unknownRun();
  const report = isStoredElsewhere(execution) ? await findReport(runId) : undefined;
  return json(statusCode, runStatus({ runId, url: url(runId), execution, report, links: links?.(runId) }));
}

/** Stops a run, and returns its status, which later shows that Harness is put back. */
async function stopped(
  runId: string,
  caller: Caller,
  parts: WebhookParts,
  url: (runId: string) => string,
): Promise<WebhookResponse> {
  const outcome = await stopRun(runId, caller, parts);
  if (outcome === 'unknown') return unknownRun();
  if (outcome === 'forbidden') {
    const message = 'the webhook of this deployment stops no runs; WEBHOOK_ALLOW can grant "stop"';
    return refuse(403, 'Forbidden', message);
  }
  if (outcome !== 'stopped') return refuse(409, 'Conflict', `the run cannot be stopped: ${outcome.refused}`);
  log.note('run stopped', { runId, caller: caller.arn });
  return showRun(runId, parts, url, 202);
}

function unknownRun(): WebhookResponse {
  return refuse(404, 'NotFound', 'no run has this id');
}

/** Decodes a path segment. Run ids contain no `%`, so a segment that cannot be decoded stays as it is. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Returns an error response. */
export function refuse(
  statusCode: number,
  name: string,
  message: string,
  headers: Record<string, string> = {},
): WebhookResponse {
  return json(statusCode, { error: { name, message } }, headers);
}

function json(statusCode: number, document: object, headers: Record<string, string> = {}): WebhookResponse {
  return {
    statusCode,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(document),
  };
}
