/** A URL as it may appear in messages: no credentials, no query (signed storage URLs carry secrets there). */
export function displayUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
