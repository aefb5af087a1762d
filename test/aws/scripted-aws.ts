import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What an AWS JSON API answers to one request. Errors carry their name in `__type`. */
export interface Answer {
  status: number;
  body: object;
}

/** An AWS JSON API on loopback that answers what a test says: refusals, and dates, that moto knows nothing of. */
export async function startScriptedAws(answer: (operation: string, input: unknown) => Answer) {
  const calls: { operation: string; input: unknown }[] = [];
  const server = createServer(async (request, response) => {
    const operation = String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
    const input: unknown = JSON.parse(await text(request));
    calls.push({ operation, input });
    const { status, body } = answer(operation, input);
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    calls,
    config: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
