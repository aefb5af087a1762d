import { withoutSecrets } from '../text/secrets.ts';

/** Formats a URL for messages, without credentials and query. Signed storage URLs carry secrets in the query. */
export function displayUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** Returns the parts of an `Authorization` header that a server could echo: its value, and the password in it. */
export function secretsOfHeader(authorization = ''): string[] {
  const value = authorization.split(' ').at(-1) ?? '';
  const login = /^basic /i.test(authorization) ? Buffer.from(value, 'base64').toString() : '';
  return [value, login.slice(login.indexOf(':') + 1)].filter((secret) => secret.length > 3);
}

/** Redacts untrusted text for logs: the registered secrets and everything that looks like a secret. */
export function redacted(text: string): string {
  return withoutSecrets(text)
    .replaceAll(/\bhttps?:\/\/[^\s"'<>]+/g, (address) => {
      const url = URL.parse(address);
      return url && (url.search || url.username || url.password) ? `${displayUrl(url)}…` : address;
    })
    .replaceAll(/[^\s"'<>]+/g, withoutUserinfo)
    .replaceAll(
      /([?&;](?:x-(?:amz|goog|ms)-[\w-]+|signature|sig|token|access_token|refresh_token|password|apikey)=)[^\s"'<>&]+/gi,
      '$1…',
    )
    .replaceAll(/\b(Bearer|Basic) +[\w.~+/-]{16,}=*/gi, '$1 …')
    .replaceAll(/\b([ps]at)\.[\w-]+\.[\w.-]+/g, '$1.…');
}

/**
 * Removes `user:password@` from text that is not a valid URL: JSON escapes its slashes, or the password contains
 * characters that a URL may not contain. Keeps the digest of an image, which also follows an "@".
 */
function withoutUserinfo(word: string): string {
  let at = word.lastIndexOf('@');
  while (at > 0 && /^@sha(?:256|512):/.test(word.slice(at, at + 8))) at = word.lastIndexOf('@', at - 1);
  if (at <= 0) return word;
  const scheme = word.slice(0, at).indexOf('//');
  // An "@" after the host belongs to the path.
  if (scheme !== -1 && URL.parse(`http:${word.slice(scheme)}`)?.username === '') return word;
  const start = scheme === -1 ? word.lastIndexOf('/', at) + 1 : scheme + 2;
  return word.slice(start, at).includes(':') ? `${word.slice(0, start)}…${word.slice(at)}` : word;
}
