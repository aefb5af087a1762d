import { advise } from '../advice.ts';
import { networkFailure } from '../http/network-error.ts';
import { reasonText } from '../http/reason-text.ts';

/** Why a call to AWS failed, for a message. */
export interface AwsReason {
  /** The service's name of the error: `AccessDeniedException`. */
  name: string;
  text: string;
  /** The cure, when the network or a proxy is at fault. */
  networkHint: string | undefined;
}

/**
 * Reads the reason out of what the SDK throws: the network's, the service's, or that of a web page that came instead.
 */
export function awsReason(cause: unknown): AwsReason {
  const error: Error & { $response?: { statusCode?: number; body?: unknown } } =
    cause instanceof Error ? cause : new Error(String(cause));
  const { name, message } = error;
  const network = networkFailure(cause);
  if (network) {
    // A proxy's fault is told in full; the SDK adds the address to the others.
    const more = message === '' || message === network.text ? '' : `: ${message}`;
    return { name, text: network.text + more, networkHint: advise(network.hint, network.topic) };
  }
  const { statusCode = 200, body } = error.$response ?? {};
  const page = typeof body === 'string' ? reasonText(body, undefined) : undefined;
  if (page?.isPage) {
    const hint = 'Exempt AWS from the login page, captive portal or firewall that responded in its place.';
    return { name, text: `HTTP ${statusCode} with ${page.text}`, networkHint: hint };
  }
  return { name, text: `${name}: ${message}`, networkHint: undefined };
}
