import { FactoryError } from '../errors.ts';
import { isLoopback } from '../http/host-patterns.ts';
import { displayUrl } from '../http/redact.ts';
import { trimEnd } from '../text/trim-end.ts';

/**
 * Returns the gateway's URL, without a trailing slash, for any common spelling: with or without `/gateway`, with
 * trailing slashes, a vanity host, or a path in front of the gateway. The Harness SDK and the first Terraform factory
 * include `/gateway` in the base URL; the examples of the documentation do not.
 *
 * @throws {FactoryError} `InvalidConfiguration` for anything but an https URL without credentials and query. Plain http
 * is allowed for loopback only: the API key travels in a header.
 */
export function parseBaseUrl(text: string): URL {
  const url = URL.parse(text.trim());
  // Do not repeat text that is not a URL: any part of it may be a secret.
  if (!url) throw invalid('not a URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalid('a URL that is not https');
  if (url.username || url.password) throw invalid(`credentials in the URL of ${url.host}`);
  if (url.search || url.hash) throw invalid(`a query or fragment after ${displayUrl(url)}`);
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) throw invalid(displayUrl(url));
  const prefix = trimEnd(trimEnd(url.pathname, '/').replace(/\/gateway$/, ''), '/');
  return new URL(`${prefix}/gateway`, url.origin);
}

function invalid(found: string): FactoryError {
  const allowed = 'an https URL such as https://app.harness.io, without credentials, query or fragment';
  return new FactoryError('InvalidConfiguration', `HARNESS_URL: found ${found}, expected ${allowed}`, {
    hint: 'Set HARNESS_URL to the address of your Harness; the API key goes into its secret, not into the URL.',
    problems: [{ path: 'HARNESS_URL', found, allowed }],
  });
}
