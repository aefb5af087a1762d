import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface UrlRequest {
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: object;
}

/**
 * Sends a request to a Function URL of LocalStack. Its host, `…localhost.localstack.cloud`, may have no address here,
 * so the connection goes to loopback and the name into the header.
 */
export async function askFunctionUrl(
  address: string,
  { method = 'POST', headers = {}, body }: UrlRequest = {},
): Promise<{ status: number; body: unknown }> {
  const { host, port, pathname } = new URL(address);
  const sent = request({
    host: '127.0.0.1',
    port,
    path: pathname,
    method,
    headers: { host, ...(body && { 'content-type': 'application/json' }), ...headers },
  });
  sent.end(body && JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: JSON.parse(await text(response)) as unknown };
}
