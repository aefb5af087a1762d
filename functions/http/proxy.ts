import { isIP } from 'node:net';
import { reachOfAddress } from './address-policy.ts';
import { hostOf, matchesHost } from './host-patterns.ts';
import { NetworkError } from './network-error.ts';

export interface Proxy {
  /** Without credentials, so that no error can show them. */
  url: URL;
  /** The `Proxy-Authorization` header. */
  authorization: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or their lower-case forms, read as Docker reads
 * them: by the URL's scheme, and never for this machine itself. Throws `NetworkError` when what is set is no proxy.
 */
export function proxyFor(url: URL, environment: Environment): Proxy | undefined {
  const value = (name: string) => (environment[name] || environment[name.toLowerCase()] || '').trim();
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  if (value(name) === '' || isThisMachine(hostOf(url))) return undefined;
  if (matchesHost(url, value('NO_PROXY').split(/[\s,]+/))) return undefined;
  const proxy = parseProxy(value(name));
  if (proxy) return proxy;
  throw new NetworkError('ERR_INVALID_PROXY', {
    text: `${name} is not the address of a proxy`,
    hint: `Set ${name} to http://host:port or https://host:port, or list the host in NO_PROXY.`,
  });
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && reachOfAddress(host) === 'loopback');
}

/** `host:port` alone means http, as everywhere. */
function parseProxy(text: string): Proxy | undefined {
  const address = text.includes('://') ? text : `http://${text}`;
  const given = URL.canParse(address) ? new URL(address) : undefined;
  if (given?.protocol !== 'http:' && given?.protocol !== 'https:') return undefined;
  try {
    const credentials = `${decodeURIComponent(given.username)}:${decodeURIComponent(given.password)}`;
    const authorization = credentials === ':' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    return { url: new URL(given.origin), authorization };
  } catch {
    // A stray "%" in the credentials.
    return undefined;
  }
}
