/** A URL as it may appear in messages: no credentials, no query (signed storage URLs carry secrets there). */
export function displayUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** Text that others may have written, as it may appear in logs: without what looks like a secret in it. */
export function redacted(text: string): string {
  return text
    .replaceAll(/\bhttps?:\/\/[^\s"'<>]+/g, (address) => {
      const url = URL.parse(address);
      return url && (url.search || url.username || url.password) ? `${displayUrl(url)}…` : address;
    })
    .replaceAll(/\b(Bearer|Basic) +[\w.~+/-]{16,}=*/gi, '$1 …')
    .replaceAll(/\b([ps]at)\.[\w-]+\.[\w.-]+/g, '$1.…');
}
