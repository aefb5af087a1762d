import { parseBaseUrl } from '../harness/base-url.ts';
import { networkFailure } from '../http/network-error.ts';
import type { Report } from '../run/documents.ts';
import type { Runtime } from '../runtime.ts';

const timeoutMs = 10_000;
const messageLimit = 2_000;

/**
 * Tells the Harness trigger that the deployment names how a run ended. Asked once: a second request would start a second
 * pipeline. Returns a warning when Harness was not told. The URL holds the trigger's token, so nothing of it is shown.
 * https://developer.harness.io/docs/platform/triggers/trigger-deployments-using-custom-triggers
 */
export async function sendCallback(report: Report, runtime: Runtime): Promise<string | undefined> {
  const { callbackTarget, transport, configuration } = runtime;
  if (!callbackTarget) return undefined;
  try {
    const { url, token } = parseTarget(await callbackTarget(), configuration.harnessUrl);
    const response = await transport.request({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', ...(token !== undefined && { 'x-api-key': token }) },
      body: JSON.stringify(outcomeOf(report)),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body.dump();
    const { status } = response;
    return status >= 200 && status < 300 ? undefined : `Harness was not told of the end: it answered ${status}`;
  } catch (error) {
    const reason = networkFailure(error)?.text ?? (error instanceof Error ? error.message : String(error));
    return `Harness was not told of the end: ${reason}`;
  }
}

/** What a pipeline finds in `<+trigger.payload>`. */
function outcomeOf({ runId, status, action, totals, reason, error }: Report): object {
  return {
    runId,
    status,
    action,
    totals,
    ...(reason !== undefined && { reason }),
    ...(error && { error: { name: error.name, message: error.message.slice(0, messageLimit) } }),
  };
}

/** The URL alone, or `{"url": …, "token": …}` for accounts whose triggers demand an API key. Throws `Error`. */
function parseTarget(secret: string, harnessUrl: string): { url: URL; token: string | undefined } {
  let text = secret;
  let token: string | undefined;
  if (secret.startsWith('{')) {
    try {
      const fields = JSON.parse(secret) as Record<string, unknown>;
      text = String(fields['url']);
      if (typeof fields['token'] === 'string') token = fields['token'];
    } catch {
      text = '';
    }
  }
  const url = URL.parse(text);
  // Whoever can change the secret must not be able to send reports, or a key, elsewhere.
  if (url?.origin === parseBaseUrl(harnessUrl).origin) return { url, token };
  throw new Error('the secret that CALLBACK_URL_SECRET names holds no URL at the host of HARNESS_URL');
}
