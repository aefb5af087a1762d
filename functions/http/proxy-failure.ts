import { printable } from '../text/printable.ts';
import { networkFailure, NetworkError } from './network-error.ts';
import { displayProxy, type Proxy } from './proxy.ts';
import { reasonText } from './reason-text.ts';
import { secretsOfHeader } from './redact.ts';
import { transientStatuses } from './retry.ts';

/** A proxy's own response to a `CONNECT` or to a request that it should have forwarded. */
export interface ProxyResponse {
  status: number;
  /** The reason phrase of the status line; may be empty. */
  phrase: string;
  header: (name: string) => string | undefined;
  body: string;
}

/** Headers that identify a proxy or give the reason of its refusal. */
const tellingHeaders = ['proxy-authenticate', 'x-squid-error', 'proxy-status', 'via', 'server'];

/** Describes a proxy's refusal of `target` (`host:port`) and quotes the proxy. */
export function proxyRefusal(proxy: Proxy, target: string, response: ProxyResponse): NetworkError {
  const { status, phrase, header } = response;
  const reason = reasonText(response.body, header('content-type'), secretsOfHeader(proxy.authorization));
  const headers = tellingHeaders.flatMap((name) => {
    const value = header(name);
    return value === undefined ? [] : [`${name}: ${printable(value, 120)}`];
  });
  const said = [...headers, reason.text].filter(Boolean).join('; ');
  const statusLine = printable(`HTTP ${status} ${phrase}`.trimEnd(), 120);
  return new NetworkError('ERR_PROXY_REFUSED', {
    text: `${displayProxy(proxy)} refused a connection to ${target}: ${statusLine}${said && ` (${said})`}`,
    hint: cureOf(proxy, target, status),
    transient: transientStatuses.has(status),
    party: 'proxy',
  });
}

function cureOf({ variable }: Proxy, target: string, status: number): string {
  const orDirect = `or list ${hostOf(target)} in NO_PROXY`;
  if (status === 407) {
    return `Put the proxy's user and password into ${variable} (http://user:password@host:port), ${orDirect}.`;
  }
  return status >= 500
    ? `Check that the proxy can reach ${target}, ${orDirect}.`
    : `Allow ${target} at the proxy, ${orDirect}.`;
}

/** Describes a proxy that could not be reached, or that closed the connection without a response. */
export function unreachableProxy(proxy: Proxy, target: string, error: unknown): NetworkError {
  const network = networkFailure(error);
  const closed = network === undefined || network.code === 'ECONNRESET' || network.code === 'EPIPE';
  return new NetworkError(closed ? 'ERR_PROXY_CLOSED' : network.code, {
    text: `${displayProxy(proxy)}: ${closed ? 'connection closed without a response' : network.text}`,
    hint: `Check the address in ${proxy.variable} and that the proxy runs, or list ${hostOf(target)} in NO_PROXY.`,
    transient: network?.transient ?? true,
    party: 'proxy',
  });
}

/**
 * Describes the failure of a request that a proxy should have forwarded. The only connection is the one to the proxy.
 */
export function forwardingFailure(proxy: Proxy, target: string, error: unknown): unknown {
  if (error instanceof NetworkError || networkFailure(error) === undefined) return error;
  return unreachableProxy(proxy, target, error);
}

/** Describes a proxy that opened no tunnel within the time limit. */
export function slowProxy(proxy: Proxy, target: string, timeoutMs: number): NetworkError {
  return new NetworkError('ERR_PROXY_TIMEOUT', {
    text: `${displayProxy(proxy)} opened no connection to ${target} within ${timeoutMs / 1000} s`,
    hint: `Check that the proxy runs and allows ${target}, or list ${hostOf(target)} in NO_PROXY.`,
    transient: true,
    party: 'proxy',
  });
}

/**
 * Tests whether the proxy generated a response itself. Status 407 always comes from the proxy. Other refusals do if the
 * proxy identifies itself by `Proxy-Status` (RFC 9209), by `X-Squid-Error`, or by its name in `Server`.
 */
export function isProxysOwn(status: number, header: (name: string) => string | undefined): boolean {
  if (status === 407) return true;
  if (status < 400) return false;
  if (header('x-squid-error') !== undefined || /;\s*error=/.test(header('proxy-status') ?? '')) return true;
  return /squid|bluecoat|proxysg|zscaler|privoxy|tinyproxy|mcafee web gateway|skyhigh|forcepoint/i.test(
    header('server') ?? '',
  );
}

/** Adds the proxy to the failure of a connection through its tunnel, which it may have caused by inspecting TLS. */
export function throughProxy(proxy: Proxy, error: unknown): unknown {
  const network = networkFailure(error);
  if (network === undefined || error instanceof NetworkError) return error;
  const { code, text, hint, topic, transient } = network;
  const inspects = /CERT|SIGNATURE|ISSUER/.test(code);
  return new NetworkError(code, {
    text: `${text}, through ${displayProxy(proxy)}`,
    hint: inspects ? `${hint} If the proxy opens TLS, it is the proxy's CA.` : hint,
    topic,
    transient,
  });
}

function hostOf(target: string): string {
  return target.replace(/:\d+$/, '');
}
