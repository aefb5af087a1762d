import { accountIdFromKey } from '../harness/account.ts';
import { ApiKey } from '../harness/api-key.ts';
import { parseBaseUrl } from '../harness/base-url.ts';
import { networkFailure } from '../http/network-error.ts';
import { reasonText } from '../http/reason-text.ts';
import { redacted } from '../http/redact.ts';
import { readStart } from '../http/transport.ts';
import type { Report } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Configuration } from '../settings/configuration.ts';
import { keepSecret } from '../text/secrets.ts';

const timeoutMs = 10_000;
const messageLimit = 2_000;
/** Statuses of a trigger or a key that is wrong, has expired, or was replaced. */
const refusals = new Set([400, 401, 403, 404]);

/**
 * Reports the end of a run to the Harness trigger or pipeline that the deployment names. Sends one request: a second
 * one would start a second pipeline. After a refusal, which starts none, reads the secret again and repeats the request
 * if the secret has changed. Returns a warning when the callback failed. Shows nothing of the URL, which holds the
 * trigger's token. https://developer.harness.io/docs/platform/triggers/trigger-deployments-using-custom-triggers/
 */
export async function sendCallback(report: Report, runtime: Runtime): Promise<string | undefined> {
  const { callbackTarget } = runtime.parts;
  if (!callbackTarget) return undefined;
  try {
    const target = await callbackTarget();
    try {
      await call(target, report, runtime);
    } catch (error) {
      const current = error instanceof Refusal ? await callbackTarget(target).catch(() => target) : target;
      if (current === target) throw error;
      await call(current, report, runtime);
    }
    return undefined;
  } catch (error) {
    const reason = networkFailure(error)?.text ?? (error instanceof Error ? error.message : String(error));
    return `callback to Harness failed: ${redacted(reason)}`;
  }
}

/** The secret is unusable, or Harness refuses it. */
class Refusal extends Error {}
/** Detects the trigger's token among the segments of a path; the others are words. */
function isSecretLike(segment: string): boolean {
  return segment.length >= 16;
}

/** Bytes to read of the body of a refusal. */
const reasonLimit = 16 * 1024;

/** Throws `Refusal`, `Error` for any other response than a success, and network errors. */
async function call(target: string, report: Report, { transport, configuration }: Runtime): Promise<void> {
  const { url, token, contentType, body } = callOf(target, report, configuration);
  keepSecret(url.href, ...url.pathname.split('/').filter(isSecretLike), ...url.searchParams.values());
  const response = await transport.request({
    method: 'POST',
    url,
    headers: { 'content-type': contentType, ...(token !== undefined && new ApiKey(token).headers()) },
    body: asciiJson(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const { status } = response;
  if (status >= 200 && status < 300) return response.body.dump();
  const answer = (await readStart(response, reasonLimit)).toString();
  const secrets = [token ?? '', ...url.searchParams.values()];
  const { text } = reasonText(answer, response.header('content-type'), secrets);
  const message = `HTTP ${status}${text && `: ${text}`}`;
  throw refusals.has(status) ? new Refusal(message) : new Error(message);
}

interface Call {
  url: URL;
  token: string | undefined;
  contentType: string;
  body: object;
}

/**
 * Parses the secret: the URL of a trigger, `{"url": …, "token": …}` for accounts whose triggers require an API key, or
 * `{"pipeline": …, "token": …}`. Throws `Refusal`.
 */
function callOf(secret: string, report: Report, configuration: Configuration): Call {
  const { url: text, pipeline, token } = fieldsOf(secret);
  if (pipeline !== undefined) {
    const url = executionUrl(pipeline, token, configuration);
    return { url, token, contentType: 'application/yaml', body: runtimeInputOf(pipeline, report) };
  }
  const url = URL.parse(text ?? '');
  // A user who can change the secret must not be able to send reports, or a key, to another host.
  if (url?.origin === parseBaseUrl(configuration.harnessUrl).origin)
    return { url, token, contentType: 'application/json', body: outcomeOf(report) };
  throw new Refusal('the secret that CALLBACK_URL_SECRET names holds no URL at the host of HARNESS_URL');
}

function fieldsOf(secret: string): Partial<Record<'url' | 'pipeline' | 'token', string>> {
  if (!secret.startsWith('{')) return { url: secret };
  try {
    const fields = Object.entries(JSON.parse(secret) as object);
    return Object.fromEntries(fields.filter(([, value]) => typeof value === 'string'));
  } catch {
    return {};
  }
}

/** Returns the URL that runs a pipeline (harness/harness-core, PlanExecutionResource). */
function executionUrl(pipeline: string, token: string | undefined, configuration: Configuration): URL {
  const { harnessUrl, harnessAccountId, orgId, projectId } = configuration;
  const accountId = harnessAccountId ?? accountIdFromKey(token ?? '');
  const needs = [
    ['"pipeline", an identifier, in the secret', /^[A-Za-z_][\w$]{0,127}$/.test(pipeline)],
    ['"token", an API key, in the secret', token],
    ['HARNESS_ACCOUNT_ID', accountId],
    ['ORG_ID', orgId],
    ['PROJECT_ID', projectId],
  ] as const;
  const missing = needs.flatMap(([what, value]) => (value ? [] : [what]));
  if (missing.length > 0) throw new Refusal(`a pipeline cannot be started without ${missing.join(', ')}`);
  const url = new URL(`${parseBaseUrl(harnessUrl).href}/pipeline/api/pipeline/execute/${pipeline}`);
  const scope = { accountIdentifier: accountId, orgIdentifier: orgId, projectIdentifier: projectId };
  for (const [name, value] of Object.entries(scope)) url.searchParams.set(name, value ?? '');
  return url;
}

/** Returns the inputs that a pipeline reads from `<+pipeline.variables>`. */
function runtimeInputOf(identifier: string, { runId, status, error }: Report): object {
  const values = { runId, status, error: error ? `${error.name}: ${shortened(error.message)}` : 'none' };
  const variables = Object.entries(values).map(([name, value]) => ({ name, type: 'String', value }));
  return { pipeline: { identifier, variables } };
}

/** Returns the fields that a pipeline reads from `<+trigger.payload>`. */
function outcomeOf({ runId, status, action, totals, reason, error }: Report): object {
  return {
    runId,
    status,
    action,
    totals,
    ...(reason !== undefined && { reason }),
    ...(error && { error: { name: error.name, message: shortened(error.message) } }),
  };
}

function shortened(message: string): string {
  return message.slice(0, messageLimit);
}

/**
 * Returns JSON that is valid YAML too, in ASCII only, since YAML readers accept few other characters. Harness finds no
 * expression of its own in it: error messages repeat text of registries.
 */
function asciiJson(value: object): string {
  return JSON.stringify(value)
    .replaceAll('<+', '< +')
    .replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
