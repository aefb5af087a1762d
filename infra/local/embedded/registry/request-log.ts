import type { IncomingMessage } from 'node:http';

/** A request as a test reads it, in order of arrival. Secrets are left out. */
export interface RequestRecord {
  server: 'registry' | 'tokens' | 'blobs';
  method: string;
  path: string;
  /** Without the `?`; signatures are blanked out. */
  query: string;
  /** 0 until answered; it stays 0 when a fault or the client cut the connection. */
  status: number;
  bytesIn: number;
  /** Bytes of the answer's body that were sent. */
  bytesOut: number;
  /** Headers by lower-case name; of `authorization` only the scheme. */
  headers: Record<string, string>;
  fault?: string;
}

export function recordOf(server: RequestRecord['server'], request: IncomingMessage, url: URL): RequestRecord {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name === 'cookie') continue;
    const joined = Array.isArray(value) ? value.join(', ') : value;
    headers[name] = name.endsWith('authorization') ? (joined.split(' ')[0] ?? '') : joined;
  }
  return {
    server,
    method: request.method ?? '',
    path: url.pathname,
    query: url.search.slice(1).replaceAll(/(signature=)[^&]*/gi, '$1…'),
    status: 0,
    bytesIn: 0,
    bytesOut: 0,
    headers,
  };
}
