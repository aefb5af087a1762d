import { FactoryError, type Problem } from '../errors.ts';
import type { Configuration } from '../settings/configuration.ts';
import { parseExecutionInput, runIdPattern } from '../settings/execution-input.ts';
import { beyondTrust } from '../settings/webhook-guards.ts';
import { type Delivery, readDelivery } from './delivery.ts';
import { runStatus } from './run-status.ts';
import { type ExecutionsByName, startOnce } from './start-once.ts';
import { bearerToken, type Tokens } from './tokens.ts';

/** The used part of a Function URL's request (payload format 2.0, with header names in lower case). */
export interface WebhookRequest {
  rawPath: string;
  headers: Readonly<Record<string, string | undefined>>;
  requestContext: { domainName: string; http: { method: string } };
  body?: string;
  isBase64Encoded?: boolean;
}

export interface WebhookResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}

export interface WebhookParts {
  tokens: Tokens;
  executions: ExecutionsByName;
  configuration: Configuration;
  now?: () => number;
}

/** The maximum size of a request body in bytes. An input that pins every image has a tenth of it. */
const bodyLimit = 64 * 1024;

/**
 * Serves `POST /runs`, which starts a run, and `GET /runs/{id}`, which returns its status. Responds 4xx to an invalid
 * request; throws when AWS or the deployment fails.
 */
export async function answer(request: WebhookRequest, parts: WebhookParts): Promise<WebhookResponse> {
  const { rawPath, headers, requestContext } = request;
  // Checked first: a probe costs nothing, and reveals nothing without a token.
  const token = bearerToken(headers['authorization']);
  if (token === undefined || !(await parts.tokens.accept(token))) {
    return refuse(401, 'Unauthorized', 'no valid bearer token', { 'www-authenticate': 'Bearer' });
  }
  const [, runs, runId, ...more] = rawPath.replace(/\/$/, '').split('/');
  if (runs !== 'runs' || more.length > 0) return refuse(404, 'NotFound', 'the paths are POST /runs and GET /runs/{id}');
  const method = runId === undefined ? 'POST' : 'GET';
  if (requestContext.http.method !== method) {
    return refuse(405, 'MethodNotAllowed', `use ${method}`, { allow: method });
  }
  const url = (id: string) => `https://${requestContext.domainName}/runs/${encodeURIComponent(id)}`;
  return runId === undefined ? startRun(request, parts, url) : showRun(decoded(runId), parts, url);
}

async function startRun(
  { headers, body = '', isBase64Encoded = false }: WebhookRequest,
  { configuration, executions, now = Date.now }: WebhookParts,
  url: (runId: string) => string,
): Promise<WebhookResponse> {
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
  if (bytes.length > bodyLimit) return refuse(413, 'PayloadTooLarge', `the body is larger than ${bodyLimit} bytes`);
  if (bytes.length > 0 && !/^application\/json *(?:;|$)/i.test(headers['content-type'] ?? '')) {
    return refuse(415, 'UnsupportedMediaType', 'the content-type of a body must be application/json');
  }
  let delivery: Delivery;
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
  const { runId, execution } = await startOnce(delivery, executions, now());
  const status = execution ? runStatus(runId, url(runId), execution).status : 'RUNNING';
  console.log(logLine('INFO', execution ? 'delivered before' : 'run started', { runId }));
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
  { executions }: WebhookParts,
  url: (runId: string) => string,
): Promise<WebhookResponse> {
  const execution = runIdPattern.test(runId) ? await executions.find(runId) : undefined;
  if (!execution) return refuse(404, 'NotFound', 'no run has this id');
  return json(200, runStatus(runId, url(runId), execution));
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

/** Returns a log line in the format of functions/lambda/log.ts, whose Logger would enlarge this bundle. */
export function logLine(level: 'INFO' | 'ERROR', message: string, details: object): string {
  const service = process.env['POWERTOOLS_SERVICE_NAME'];
  return JSON.stringify({ level, message, timestamp: new Date().toISOString(), service, task: 'webhook', ...details });
}

function json(statusCode: number, document: object, headers: Record<string, string> = {}): WebhookResponse {
  return {
    statusCode,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(document),
  };
}
