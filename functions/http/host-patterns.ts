import { BlockList, isIP } from 'node:net';

/**
 * Tests whether a URL's host is in a list with the syntax of `NO_PROXY` in Docker and other Go programs
 * (https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config): `*`; an address; a range (`10.0.0.0/8`); a name, which
 * includes its subdomains; `.name` or `*.name` for the subdomains alone. All but a range may have a port.
 */
export function matchesHost(url: URL, patterns: readonly string[]): boolean {
  const host = hostOf(url);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return patterns.some((pattern) => {
    if (pattern === '*') return true;
    if (pattern.includes('/')) return isInRange(host, pattern);
    const { name, onlyPort } = split(pattern.toLowerCase());
    if (name === '' || (onlyPort !== undefined && onlyPort !== port)) return false;
    if (host === name) return true;
    // An address has no subdomains.
    return isIP(host) === 0 && host.endsWith(name.startsWith('.') ? name : `.${name}`);
  });
}

/** Returns the host without the brackets of IPv6 and without the dot at the end of an absolute name. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

/** Tests whether a host, with or without a port, is this machine. As in Docker, a registry there speaks plain HTTP. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function split(pattern: string): { name: string; onlyPort: string | undefined } {
  if (isIP(pattern)) return { name: asInUrls(pattern), onlyPort: undefined };
  const [, name = '', onlyPort] = /^(.*?)(?::(\d+))?$/.exec(pattern) ?? [];
  return { name: asInUrls(name.replace(/^\*(?=\.)/, '').replace(/^\[|\]$/g, '')), onlyPort };
}

/** Returns an address of IPv6 in the form that a URL gives it: the same address has several. */
function asInUrls(name: string): string {
  return isIP(name) === 6 && URL.canParse(`http://[${name}]`) ? hostOf(new URL(`http://[${name}]`)) : name;
}

function isInRange(host: string, range: string): boolean {
  const [network = '', prefix = ''] = range.split('/');
  const version = isIP(network);
  if (version === 0 || version !== isIP(host) || !/^\d{1,3}$/.test(prefix)) return false;
  if (Number(prefix) > (version === 6 ? 128 : 32)) return false;
  const family = version === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(host, family);
}
