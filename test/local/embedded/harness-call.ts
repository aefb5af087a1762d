/** A response of the embedded Harness API, as it is. */
export interface Reply {
  status: number;
  /** Body of a JSON response; else `undefined`. */
  body: unknown;
  text: string;
  headers: Headers;
}

export interface Sending {
  /** Sent as it is when a string, else as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** Sends one request without any of the product's code. */
export async function callHarness(url: string, key: string, method: string, sending: Sending = {}): Promise<Reply> {
  const { body, headers } = sending;
  const response = await fetch(url, {
    method,
    headers: { 'x-api-key': key, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, body: isJson ? JSON.parse(text) : undefined, text, headers: response.headers };
}
