import { withoutSecrets } from '../text/secrets.ts';

/** A URL as it may appear in messages: no credentials, no query (signed storage URLs carry secrets there). */
export function displayUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** Text that others may have written, as it may appear in logs: without secrets that we know, and what looks like one. */
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
 * A word without `user:password@`, where no URL can be read: JSON escapes its slashes, and passwords hold characters
 * that are none of a URL. An image's digest follows an "@" too.
 */
function withoutUserinfo(word: string): string {
  let at = word.lastIndexOf('@');
  while (at > 0 && /^@sha(?:256|512):/.test(word.slice(at, at + 8))) at = word.lastIndexOf('@', at - 1);
  if (at <= 0) return word;
  const scheme = word.slice(0, at).indexOf('//');
  // An "@" behind the host is part of a path.
  if (scheme !== -1 && URL.parse(`http:${word.slice(scheme)}`)?.username === '') return word;
  const start = scheme === -1 ? word.lastIndexOf('/', at) + 1 : scheme + 2;
  return word.slice(start, at).includes(':') ? `${word.slice(0, start)}…${word.slice(at)}` : word;
}
