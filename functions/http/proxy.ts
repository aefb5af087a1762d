import { isIP } from 'node:net';
import { reachOfAddress } from './address-policy.ts';
import { hostOf, matchesHost } from './host-patterns.ts';
import { keepPassword } from '../text/secrets.ts';
import { NetworkError } from './network-error.ts';

export interface Proxy {
  /** Without credentials, so that no error can show them. */
  url: URL;
  /** The `Proxy-Authorization` header. */
  authorization: string | undefined;
  /** The environment variable that names it. */
  variable: string;
}

/** Formats a proxy for messages: its address and the variable that names it. */
export function displayProxy({ url, variable }: Proxy): string {
  return `the proxy ${url.hostname}:${portOf(url)} (${variable})`;
}

export function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80');
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds the proxy for a URL in `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or their lower-case forms. Follows Docker:
 * the URL's scheme selects the variable, and this machine is never reached through a proxy. Throws `NetworkError` for
 * an invalid value.
 */
export function proxyFor(url: URL, environment: Environment): Proxy | undefined {
  const setting = (name: string) =>
    [name, name.toLowerCase()]
      .map((variable) => ({ variable, text: (environment[variable] ?? '').trim() }))
      .find(({ text }) => text !== '');
  const proxy = setting(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  if (!proxy || isThisMachine(hostOf(url))) return undefined;
  if (matchesHost(url, (setting('NO_PROXY')?.text ?? '').split(/[\s,]+/))) return undefined;
  return parseProxy(proxy);
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && reachOfAddress(host) === 'loopback');
}

/** Parses a proxy's address. `host:port` without a scheme means http. */
function parseProxy({ variable, text }: { variable: string; text: string }): Proxy {
  const given = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (!given) throw notAProxy(variable, 'it cannot be read as a URL');
  if (given.protocol !== 'http:' && given.protocol !== 'https:') {
    throw notAProxy(variable, `proxies of type ${given.protocol.slice(0, -1)} are not supported`);
  }
  try {
    const [username, password] = [decodeURIComponent(given.username), decodeURIComponent(given.password)];
    keepPassword(username, password);
    const credentials = `${username}:${password}`;
    const authorization = credentials === ':' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    return { url: new URL(given.origin), authorization, variable };
  } catch {
    throw notAProxy(variable, 'its user or password has a "%" that is not written as %25');
  }
}

function notAProxy(variable: string, reason: string): NetworkError {
  return new NetworkError('ERR_INVALID_PROXY', {
    text: `${variable} is not the address of a proxy: ${reason}`,
    hint: `Set ${variable} to http://host:port or https://host:port, or list the host in NO_PROXY.`,
    party: 'proxy',
  });
}
